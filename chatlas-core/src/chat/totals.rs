//! The usage and the cost of a conversation.

use std::sync::Arc;

use super::chat::Chat;
use super::{Prompt, Reply};
use crate::content::Content;
use crate::cost::{Cost, PricedCall, Prices};
use crate::tool::ToolDefinition;
use crate::turn::{AssistantTurn, Turn, Usage};

impl Chat {
    /// Returns the sum of the token counts of the assistant turns.
    ///
    /// A clone has the turns of its original, so both return the tokens of the turns they share. See
    /// [`cost::usage`](crate::cost::usage) for totals that count each reply once. Replies from a
    /// [cache](crate::turn::ModelCall::cached) are not counted. Turns that are removed or replaced are not, either.
    #[doc(alias = "get_tokens")]
    pub fn usage(&self) -> Usage {
        self.assistant_turns().filter(|turn| !is_cached(turn)).fold(
            Usage::default(),
            |mut sum, turn| {
                sum += turn.usage;
                sum
            },
        )
    }

    /// Returns the cost of the assistant turns at the [built-in prices](Prices::built_in), in US
    /// dollars. It is an estimate: discounts and the vendor's own tools are not included.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError};
    /// # async fn example(mut chat: Chat) -> Result<(), ChatError> {
    /// chat.chat("Tokyo in May: what should I pack?").await?;
    /// println!("{}", chat.cost()); // $0.0123
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_cost")]
    pub fn cost(&self) -> Cost {
        self.cost_at(&Prices::shared())
    }

    /// Returns the cost of the assistant turns with these prices.
    ///
    /// The price of a turn is that of its own [vendor and model](AssistantTurn::call). A turn without
    /// these facts (set by the program, or partial) is priced as a reply of the current model.
    pub fn cost_at(&self, prices: &Prices) -> Cost {
        let info = self.provider.info();
        let cost = |turn: &AssistantTurn| match &turn.call {
            Some(_) => turn.cost(prices),
            None if turn.usage == Usage::default() && turn.partial => Cost::default(),
            None => {
                let models = [turn.model.as_deref(), info.model.as_deref()];
                prices.cost(&PricedCall::new(Some(&info.name), models), &turn.usage)
            }
        };
        self.assistant_turns().map(cost).sum()
    }

    /// Returns the last turn.
    #[doc(alias = "get_last_turn")]
    pub fn last_turn(&self) -> Option<&Turn> {
        self.turns.last().map(AsRef::as_ref)
    }

    /// Estimates the input tokens of the next model call with that prompt, without a request: the
    /// usage that the vendor reported for the last reply, and a token for every four bytes of text since
    /// then. Images and documents since then are not counted. Before the first reply, the system prompt
    /// and the tools are estimated, too.
    ///
    /// [`count_tokens`](Self::count_tokens) sends the request to the vendor's own counter.
    pub fn estimate_tokens(&self, prompt: impl Into<Prompt>) -> u64 {
        let measured = |turn: &Arc<Turn>| match turn.as_ref() {
            Turn::Assistant(turn) if !turn.partial => {
                turn.usage.input_tokens?.checked_add(turn.usage.output_tokens.unwrap_or(0))
            }
            _ => None,
        };
        let mut latest_first = self.turns.iter().enumerate().rev();
        let last = latest_first.find_map(|(index, turn)| Some((index + 1, measured(turn)?)));
        let (next, base) = last.unwrap_or_else(|| (0, self.estimate_setup()));
        let rest = self.turns.iter().skip(next);
        let prompt = prompt.into();
        let contents = rest.flat_map(|turn| turn.contents()).chain(&prompt.0);
        base.saturating_add(tokens(contents.map(bytes_of).sum()))
    }

    /// Estimates the tokens of the system prompt and the tools.
    fn estimate_setup(&self) -> u64 {
        let tool = |tool: &ToolDefinition| {
            tool.name.len() + tool.description.len() + tool.parameters.to_string().len()
        };
        let system = self.system_prompt.as_ref().map_or(0, |prompt| prompt.len());
        tokens(system + self.tools.definitions().iter().map(tool).sum::<usize>())
    }

    fn assistant_turns(&self) -> impl Iterator<Item = &AssistantTurn> {
        self.turns.iter().filter_map(|turn| match turn.as_ref() {
            Turn::Assistant(turn) => Some(turn.as_ref()),
            Turn::User(_) => None,
        })
    }
}

/// Returns about how many tokens a text of that length has.
fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// Returns the length of the text of a content.
fn bytes_of(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.text.len(),
        Content::ToolRequest(request) => request.name.len() + request.arguments.to_string().len(),
        Content::ToolResult(result) => result.outcome.to_model_text().len(),
        _ => 0,
    }
}

fn is_cached(turn: &AssistantTurn) -> bool {
    turn.call.as_ref().is_some_and(|call| call.cached)
}

impl Reply {
    /// Returns the cost of all model calls of the run at the [built-in prices](Prices::built_in), in US
    /// dollars.
    pub fn cost(&self) -> Cost {
        self.cost_at(&Prices::shared())
    }

    /// Returns the cost of all model calls of the run with these prices.
    pub fn cost_at(&self, prices: &Prices) -> Cost {
        self.turns.iter().map(|turn| turn.cost(prices)).sum()
    }
}
