//! Every macro under another name of the crate, by way of its face alone: no serde, no schemars
//! and no tokio among the dependencies, no lint of the strict ones broken.

#![deny(warnings, clippy::pedantic, missing_docs, unreachable_pub)]
#![forbid(unsafe_code)]

use talk::schemars::JsonSchema;
use talk::serde::{Deserialize, Serialize};
use talk::{
    ChatRequest, Completion, Provider, ProviderError, ToolContext, ToolSet, provider, tool,
    toolbox, tools,
};

/// A place on earth.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "talk::serde", rename_all = "camelCase")]
#[schemars(crate = "talk::schemars")]
pub struct Place {
    /// Degrees north.
    pub lat_north: f64,
    /// Degrees east.
    pub lon_east: f64,
}

/// What the program shares with its tools.
#[derive(Debug, Default)]
pub struct Scale(f64);

/// Goes somewhere else.
#[tool(crate = talk, idempotent)]
pub fn shift(
    place: Place,
    #[default(1.0)] by: f64,
    #[state] scale: &Scale,
    context: &ToolContext,
) -> Result<Place, std::fmt::Error> {
    let by = if context.call_id().is_empty() { 0.0 } else { by * scale.0 };
    Ok(Place { lat_north: place.lat_north + by, ..place })
}

/// Remembers places.
#[derive(Debug, Default)]
pub struct Map(std::sync::Mutex<Vec<Place>>);

#[toolbox(crate = talk)]
impl Map {
    /// Marks a place.
    #[tool]
    pub async fn mark(&self, place: Place) -> usize {
        std::future::ready(()).await;
        self.0.lock().map_or(0, |mut places| {
            places.push(place);
            places.len()
        })
    }
}

/// Says nothing.
#[derive(Debug)]
pub struct Silent;

#[provider(name = "silent", crate = talk)]
impl Provider for Silent {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

/// All tools of this program.
#[must_use]
pub fn all() -> ToolSet {
    tools![crate = talk; with Scale::default() => shift, ..Map::default()]
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use talk::{Chat, ToolContext};

    use super::{Map, Place, Scale, Silent, all, shift};

    #[test]
    fn everything_works_under_another_name() {
        let tools = all();
        let names: Vec<_> = tools.iter().map(|tool| tool.definition().name.to_string()).collect();
        assert_eq!(names, ["shift", "mark"]);
        let parameters = &tools.get("shift").expect("a tool").definition().parameters;
        assert!(parameters["properties"]["place"]["properties"].get("latNorth").is_some());
        let place = Place { lat_north: 1.0, lon_east: 2.0 };
        let shifted = shift(place, 3.0, &Scale(2.0), &ToolContext::new("1")).expect("a place");
        assert!((shifted.lat_north - 7.0).abs() < 1e-9);
        assert_eq!(Map::default().mark(place).now_or_never(), Some(1));
        let mut chat = Chat::new(Silent).with_tools(tools);
        assert!(chat.chat("hello").now_or_never().is_some_and(|reply| reply.is_ok()));
    }
}
