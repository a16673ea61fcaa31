//! The simulated day: who asks, what the models and the tools do. What is planted here (a slow
//! archive, a model that is short of capacity in the morning, rooms that are taken) is what the
//! answers have to find.

use std::fmt;
use std::time::Duration;

use chatlas::content::ToolRequest;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::{
    AssistantTurn, ChatRequest, Completion, CompletionEvent, CompletionStream, FinishReason,
    ProviderError, ProviderErrorKind, ProviderInfo, Usage,
};
use futures_util::stream;
use serde_json::json;

/// What a million tokens cost, in and out, by model.
pub(crate) const PRICES: &[(&str, f64, f64)] = &[("swift-1", 0.25, 2.0), ("deep-2", 3.0, 15.0)];

/// How many times faster than a real day it is.
pub(crate) const PACE: u32 = 25;

/// A day with so many conversations, the same for the same seed.
pub(crate) struct Day {
    pub(crate) seed: u64,
    pub(crate) conversations: u64,
}

/// What guests ask, how often, and which tool that takes.
const TOPICS: [(&str, u64, Option<&str>); 4] = [
    ("When is breakfast served on weekends?", 40, None),
    ("What is the price of a double room next month?", 25, Some("room_price")),
    ("Please book a room with a view for Friday.", 20, Some("book_room")),
    ("What did my company agree with you about cancellations?", 15, Some("search_archive")),
];

impl Day {
    /// Runs it, and returns how many conversations ended without an answer.
    pub(crate) async fn run(&self) -> usize {
        let conversations = stream::iter(0..self.conversations);
        let running = conversations.map(|number| self.converse(number)).buffer_unordered(24);
        running.filter(|answered| std::future::ready(!answered)).count().await
    }

    /// One conversation; whether it got an answer.
    async fn converse(&self, number: u64) -> bool {
        let dice = Dice(self.seed, number);
        let house = if dice.roll("house", 4) == 0 { "harbour" } else { "garden" };
        let guest = format!("{house}-{}", dice.roll("guest", 5));
        let model = if dice.roll("model", 3) == 0 { "deep-2" } else { "swift-1" };
        let (question, _, _) = topic(&dice);
        let hour = dice.roll("hour", 24);
        let mut chat = Chat::new(Model::new(model, dice))
            .with_name("concierge")
            .with_system_prompt(format!("You are the concierge of the house {house}."))
            .with_conversation_id(format!("c-{number}"))
            .with_attribute("user.id", guest)
            .with_attribute("app.house", house)
            .with_attribute("app.hour", i64::try_from(hour).unwrap_or_default())
            .with_capture(Capture::Spans)
            .with_tools(tools![room_price, book_room, search_archive]);

        let mut events = chat.stream(question);
        let mut answered = None;
        while let Some(event) = events.next().await {
            if let Ok(StreamEvent::Done(reply)) = event {
                answered = Some(reply);
            }
        }
        let Some(reply) = answered else { return false };
        // One guest in three says what they think.
        if dice.roll("verdict", 3) == 0 {
            let sorry = reply.text().starts_with("I am sorry");
            let (score, why) =
                if sorry { (0.2, Some("I still have no room.")) } else { (0.9, None) };
            reply.feedback("helpfulness", score, why);
        }
        true
    }
}

fn topic(dice: &Dice) -> (&'static str, u64, Option<&'static str>) {
    let mut left = dice.roll("topic", 100);
    for topic in TOPICS {
        if left < topic.1 {
            return topic;
        }
        left -= topic.1;
    }
    TOPICS[0]
}

/// The price of a room.
#[tool]
async fn room_price(
    /// The kind of room.
    room: String,
) -> String {
    pass(40).await;
    format!("{room}: 120 a night")
}

/// Books a room.
#[tool]
async fn book_room(
    /// The number of the conversation that the booking is for.
    booking: u64,
) -> Result<String, RoomTaken> {
    pass(150).await;
    if Dice(1, booking).roll("taken", 3) == 0 {
        return Err(RoomTaken);
    }
    Ok("booked".to_owned())
}

/// The room has been booked by somebody else.
#[derive(Debug)]
struct RoomTaken;

impl fmt::Display for RoomTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the room has been taken")
    }
}

/// Searches the contracts of a house.
#[tool]
async fn search_archive(
    /// The house whose contracts are searched.
    house: String,
) -> String {
    // The archive of one house was never indexed.
    pass(if house == "harbour" { 9_000 } else { 300 }).await;
    "Free of charge until two days before.".to_owned()
}

/// Lets so many milliseconds of the day pass.
async fn pass(millis: u32) {
    tokio::time::sleep(Duration::from_millis(millis.into()) / PACE).await;
}

/// A model: it calls the tool that the question takes, and then answers.
struct Model {
    info: ProviderInfo,
    dice: Dice,
}

impl Model {
    fn new(name: &str, dice: Dice) -> Self {
        let info = ProviderInfo::new("simulated").with_model(name);
        Self { info: info.with_server("models.example", 443), dice }
    }

    fn name(&self) -> &str {
        self.info.model.as_deref().unwrap_or_default()
    }

    /// How long it thinks before the first word, in milliseconds.
    fn thinks(&self) -> u32 {
        let slower = if self.name() == "deep-2" { 4 } else { 1 };
        let wavers = self.dice.roll("pause", 300);
        slower * (400 + u32::try_from(wavers).unwrap_or_default())
    }

    fn fault(&self) -> Option<ProviderError> {
        let hour = self.dice.roll("hour", 24);
        if self.name() == "deep-2" && (8..11).contains(&hour) && self.dice.roll("busy", 3) == 0 {
            let error = ProviderError::new(ProviderErrorKind::RateLimit, "too many requests");
            return Some(error.with_status(429).with_code("rate_limit_exceeded"));
        }
        let lost = self.dice.roll("lost", 100) == 0;
        lost.then(|| ProviderError::new(ProviderErrorKind::Timeout, "no answer in time"))
    }

    fn reply(&self, request: &ChatRequest) -> Completion {
        let last = request.turns.last();
        let results: Vec<_> = match last.map(AsRef::as_ref) {
            Some(Turn::User(turn)) => turn.tool_results().collect(),
            _ => Vec::new(),
        };
        let (_, _, tool) = topic(&self.dice);
        let (contents, reason) = match (tool, results.first()) {
            (Some(tool), None) => (self.call(tool, request), FinishReason::ToolCall),
            (_, Some(result)) if result.outcome.is_error() => {
                (Content::text("I am sorry, that did not work."), FinishReason::Stop)
            }
            _ => (Content::text("Certainly: here is what I found."), FinishReason::Stop),
        };
        let input = 350 + 60 * request.turns.len() as u64 + self.dice.roll("words", 40);
        let output = if reason == FinishReason::Stop { 80 } else { 25 };
        AssistantTurn {
            contents: vec![contents],
            usage: Usage {
                input_tokens: Some(input),
                output_tokens: Some(output),
                ..Usage::default()
            },
            finish_reason: Some(reason),
            response_id: Some(format!("r-{}-{}", self.dice.1, request.turns.len())),
            model: self.info.model.as_deref().map(str::to_owned),
            ..AssistantTurn::default()
        }
    }

    fn call(&self, tool: &str, request: &ChatRequest) -> Content {
        let prompt = request.system_prompt.as_deref().unwrap_or_default();
        let house = if prompt.contains("harbour") { "harbour" } else { "garden" };
        let arguments = match tool {
            "room_price" => json!({"room": "double"}),
            "book_room" => json!({"booking": self.dice.1}),
            _ => json!({"house": house}),
        };
        Content::ToolRequest(ToolRequest {
            id: format!("call-{}", self.dice.1),
            name: tool.to_owned(),
            arguments,
            replay: None,
        })
    }
}

#[provider]
impl Provider for Model {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        pass(self.thinks()).await;
        self.fault().map_or_else(|| Ok(self.reply(&request)), Err)
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        pass(self.thinks()).await;
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        let reply = self.reply(&request);
        let mut events = vec![CompletionEvent::Started {
            response_id: reply.response_id.clone(),
            model: reply.model.clone(),
        }];
        let words = reply.text();
        events.extend(words.split_inclusive(' ').map(|word| CompletionEvent::Text(word.into())));
        events.push(CompletionEvent::Done(reply.into()));
        let arriving = stream::iter(events).then(|event| async {
            pass(100).await;
            Ok(event)
        });
        Ok(CompletionStream::new(arriving))
    }
}

/// Chance that repeats: a number for each conversation and each purpose.
#[derive(Clone, Copy)]
struct Dice(u64, u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&self, purpose: &str, sides: u64) -> u64 {
        // SplitMix64 over the seed, the conversation and the purpose.
        let mut state = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.1;
        for byte in purpose.bytes() {
            state = mixed(state.wrapping_add(u64::from(byte)));
        }
        mixed(state) % sides
    }
}

fn mixed(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
