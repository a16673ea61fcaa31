//! Simulates the traffic of a day: guests, models and tools. The simulation contains problems that the
//! answers must find: a slow archive, a model with too little capacity in the morning, and rooms that
//! are already booked.

use std::fmt;
use std::time::Duration;

use chatlas::content::ToolRequest;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, FinishReason, ProviderError,
    ProviderErrorKind, ProviderInfo, Usage,
};
use futures_util::stream;
use serde_json::json;

/// The prices of a million input and output tokens, by model.
pub(crate) const PRICES: &[(&str, f64, f64)] = &[("swift-1", 0.25, 2.0), ("deep-2", 3.0, 15.0)];

/// The speed of the simulation, relative to real models and tools.
pub(crate) const SPEED: u32 = 25;

/// A day with that number of conversations. The same seed produces the same traffic.
pub(crate) struct Day {
    pub(crate) seed: u64,
    pub(crate) conversations: u64,
}

/// The questions of guests, with their frequency in percent and the tool that answers them.
const TOPICS: [(&str, u64, Option<&str>); 4] = [
    ("When is breakfast served on weekends?", 40, None),
    ("What is the price of a double room next month?", 25, Some("room_price")),
    ("Please book a room with a view for Friday.", 20, Some("book_room")),
    ("What did my company agree with you about cancellations?", 15, Some("search_archive")),
];

impl Day {
    /// Runs the simulation, and returns the number of conversations without an answer.
    pub(crate) async fn run(&self) -> usize {
        let conversations = stream::iter(0..self.conversations);
        let running = conversations.map(|number| self.converse(number)).buffer_unordered(24);
        running.filter(|answered| std::future::ready(!answered)).count().await
    }

    /// Runs one conversation, and returns whether it got an answer.
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
        let mut reply = None;
        while let Some(event) = events.next().await {
            if let Ok(StreamEvent::Done(done)) = event {
                reply = Some(done);
            }
        }
        let Some(reply) = reply else { return false };
        // One guest in three rates the answer.
        if dice.roll("verdict", 3) == 0 {
            let failed = reply.text().starts_with("I am sorry");
            let (score, comment) =
                if failed { (0.2, Some("I still have no room.")) } else { (0.9, None) };
            reply.feedback("helpfulness", score, comment);
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

/// Returns the price of a room.
#[tool]
async fn room_price(
    /// The kind of room.
    room: String,
) -> String {
    sleep(40).await;
    format!("{room}: 120 a night")
}

/// Books a room.
#[tool]
async fn book_room(
    /// The number of the conversation that the booking is for.
    booking: u64,
) -> Result<String, RoomTaken> {
    sleep(150).await;
    if Dice(1, booking).roll("taken", 3) == 0 {
        return Err(RoomTaken);
    }
    Ok("booked".to_owned())
}

/// The error of a booking for a room that is already booked.
#[derive(Debug)]
struct RoomTaken;

impl fmt::Display for RoomTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the room is already booked")
    }
}

/// Searches the contracts of a house.
#[tool]
async fn search_archive(
    /// The house whose contracts are searched.
    house: String,
) -> String {
    // The archive of one house has no index.
    sleep(if house == "harbour" { 9_000 } else { 300 }).await;
    "Free of charge until two days before.".to_owned()
}

/// Waits that number of milliseconds of simulated time.
async fn sleep(millis: u32) {
    tokio::time::sleep(Duration::from_millis(millis.into()) / SPEED).await;
}

/// A model that calls the tool of the question's topic and then answers.
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

    /// Returns the time to the first chunk, in milliseconds.
    fn time_to_first_chunk(&self) -> u32 {
        let factor = if self.name() == "deep-2" { 4 } else { 1 };
        let variation = self.dice.roll("pause", 300);
        factor * (400 + u32::try_from(variation).unwrap_or_default())
    }

    fn error(&self) -> Option<ProviderError> {
        let hour = self.dice.roll("hour", 24);
        if self.name() == "deep-2" && (8..11).contains(&hour) && self.dice.roll("busy", 3) == 0 {
            let error = ProviderError::new(ProviderErrorKind::RateLimit, "too many requests");
            return Some(error.with_status(429).with_code("rate_limit_exceeded"));
        }
        let timed_out = self.dice.roll("lost", 100) == 0;
        timed_out.then(|| ProviderError::new(ProviderErrorKind::Timeout, "the request timed out"))
    }

    fn reply(&self, request: &ChatRequest) -> Completion {
        let last = request.turns.last();
        let results: Vec<_> = match last.map(AsRef::as_ref) {
            Some(Turn::User(turn)) => turn.tool_results().collect(),
            _ => Vec::new(),
        };
        let (_, _, tool) = topic(&self.dice);
        let (content, reason) = match (tool, results.first()) {
            (Some(tool), None) => (self.call(tool, request), FinishReason::ToolCall),
            (_, Some(result)) if result.outcome.is_error() => {
                (Content::text("I am sorry, that did not work."), FinishReason::Stop)
            }
            _ => (Content::text("Certainly: here is what I found."), FinishReason::Stop),
        };
        let input = 350 + 60 * request.turns.len() as u64 + self.dice.roll("words", 40);
        let output = if reason == FinishReason::Stop { 80 } else { 25 };
        Completion::new([content])
            .with_usage(Usage::new(input, output))
            .with_finish_reason(reason)
            .with_response_id(format!("r-{}-{}", self.dice.1, request.turns.len()))
            .with_model(self.name())
    }

    fn call(&self, tool: &str, request: &ChatRequest) -> Content {
        let prompt = request.system_prompt.as_deref().unwrap_or_default();
        let house = if prompt.contains("harbour") { "harbour" } else { "garden" };
        let arguments = match tool {
            "room_price" => json!({"room": "double"}),
            "book_room" => json!({"booking": self.dice.1}),
            _ => json!({"house": house}),
        };
        let id = format!("call-{}", self.dice.1);
        Content::ToolRequest(ToolRequest::new(id, tool, arguments))
    }
}

#[provider]
impl Provider for Model {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        sleep(self.time_to_first_chunk()).await;
        self.error().map_or_else(|| Ok(self.reply(&request)), Err)
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        sleep(self.time_to_first_chunk()).await;
        if let Some(error) = self.error() {
            return Err(error);
        }
        let reply = self.reply(&request);
        let mut events = vec![CompletionEvent::Started {
            response_id: reply.response_id.clone(),
            model: reply.model.clone(),
        }];
        let words = reply.text();
        events.extend(words.split_inclusive(' ').map(|word| CompletionEvent::Text(word.into())));
        events.push(CompletionEvent::Done(reply.into()));
        let delayed = stream::iter(events).then(|event| async {
            sleep(100).await;
            Ok(event)
        });
        Ok(CompletionStream::new(delayed))
    }
}

/// Reproducible random numbers, from a seed and the number of the conversation.
#[derive(Clone, Copy)]
struct Dice(u64, u64);

impl Dice {
    /// Returns a number below `sides`. The same purpose returns the same number.
    fn roll(&self, purpose: &str, sides: u64) -> u64 {
        // SplitMix64 of the seed, the conversation and the purpose.
        let mut state = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.1;
        for byte in purpose.bytes() {
            state = mix(state.wrapping_add(u64::from(byte)));
        }
        mix(state) % sides
    }
}

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
