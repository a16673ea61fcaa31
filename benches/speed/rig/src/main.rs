//! The same work through an agent of `rig`, over Chat Completions.

use std::hint::black_box;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use rig::agent::tool::{DynamicTool, Tool, ToolContext, ToolOutput};
use rig::agent::{Agent, MultiTurnStreamItem};
use rig::message::ToolName;
use rig::prelude::*;
use rig::providers::openai::{OpenAIConfig, Route};
use rig::streaming::{Item, StreamEvent};
use support::{
    DESCRIPTION, MODEL, PROMPT, SYSTEM, TOOL, Work, hold_idle, runtime, tool_name, tool_schema,
    weather,
};

#[derive(serde::Deserialize)]
struct Arguments {
    city: String,
}

struct GetWeather;

impl Tool for GetWeather {
    const NAME: &'static str = TOOL;
    type Error = std::io::Error;
    type Args = Arguments;
    type Output = String;

    fn description(&self) -> String {
        DESCRIPTION.to_owned()
    }

    fn parameters(&self) -> serde_json::Value {
        tool_schema(0)
    }

    async fn call(&self, _: &mut ToolContext, arguments: Arguments) -> std::io::Result<String> {
        Ok(weather(&arguments.city))
    }
}

fn main() {
    runtime().block_on(run());
}

fn agent(work: &Work) -> Agent {
    let mut config = OpenAIConfig::new("test").with_route(Route::Chat);
    config.base_url.clone_from(&work.url);
    let tools = (1..work.tools).map(|index| {
        let name = ToolName::new(tool_name(index)).expect("a name");
        let run = |arguments| -> BoxFuture<'static, _> {
            Box::pin(async move { Ok(ToolOutput::json(arguments)) })
        };
        DynamicTool::new(name, DESCRIPTION, tool_schema(index), run)
    });
    AgentBuilder::new(config.client().completion(MODEL.to_owned()))
        .preamble(SYSTEM)
        .default_max_turns(5)
        .tool(GetWeather)
        .dynamic_tools(tools.collect())
        .build()
}

async fn run() {
    let work = Work::from_env();
    let mut agent = agent(&work);
    let history: Vec<Message> = work
        .history
        .iter()
        .flat_map(|(question, answer)| [Message::user(question), Message::assistant(answer)])
        .collect();
    if work.idle > 0 {
        return idle(&agent, work.idle).await;
    }
    for _ in 0..work.turns {
        if work.fresh {
            agent = self::agent(&work);
        }
        let prompt = agent.prompt(PROMPT).history(history.iter().cloned());
        if !work.streamed {
            black_box(prompt.await.expect("a reply").output());
            continue;
        }
        let mut stream = prompt.stream();
        while let Some(item) = stream.next().await {
            if let Some(text) = piece(item.expect("an item")) {
                black_box(text);
            }
        }
    }
}

/// Returns the text of an item.
fn piece(item: MultiTurnStreamItem) -> Option<String> {
    match item {
        MultiTurnStreamItem::StreamAssistantItem(Item::Event(StreamEvent::Text {
            text, ..
        })) => Some(text),
        _ => None,
    }
}

async fn idle(agent: &Agent, streams: usize) {
    hold_idle(streams, |pieces| {
        let agent = agent.clone();
        tokio::spawn(async move {
            let mut stream = agent.prompt(PROMPT).stream();
            while let Some(item) = stream.next().await {
                if item.is_ok_and(|item| piece(item).is_some()) {
                    pieces.send(()).expect("a receiver");
                }
            }
        });
    })
    .await
}
