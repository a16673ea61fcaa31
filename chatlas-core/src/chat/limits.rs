//! Limits of a run: [`Limits`] are the settings, [`Spent`] counts, and [`LimitError`] is the error.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Reply;
use crate::cost::{Cost, PricedCall, Prices};
use crate::provider::ProviderInfo;
use crate::telemetry::names;
use crate::turn::{AssistantTurn, Usage};

/// The maximum number of model calls of one run, unless
/// [`Chat::with_max_rounds`](super::Chat::with_max_rounds) sets another one.
pub const DEFAULT_MAX_ROUNDS: usize = 100;

/// The limits of one run of a chat. Every limit but [`max_rounds`](Self::max_rounds) is unset by
/// default.
///
/// The limits of tokens and of cost are checked before each further model call: a call that has been
/// sent is paid, so a final answer is returned even if it exceeds them. [`Chat::with_max_tokens`]
/// bounds a single reply. A run that reaches a limit returns [`ChatError::Limit`]. The history stays
/// consistent and keeps the results of the tools that ran.
///
/// ```
/// # use chatlas_core::{Chat, Provider};
/// use chatlas_core::Limits;
/// use std::time::Duration;
///
/// # fn example(provider: impl Provider) -> Chat {
/// let limits = Limits::new()
///     .with_max_cost(0.50)
///     .with_max_tool_calls(20)
///     .with_max_time(Duration::from_secs(120));
/// Chat::new(provider).with_limits(limits)
/// # }
/// ```
///
/// [`Chat::with_max_tokens`]: super::Chat::with_max_tokens
/// [`ChatError::Limit`]: super::ChatError::Limit
#[derive(Clone, Debug)]
#[must_use]
pub struct Limits {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cost: Option<(f64, Arc<Prices>)>,
    pub(super) rounds: usize,
    tool_calls: Option<u64>,
    pub(super) time: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// Creates limits of which only `max_rounds` is set, to 100.
    pub const fn new() -> Self {
        Self {
            input_tokens: None,
            output_tokens: None,
            total_tokens: None,
            cost: None,
            rounds: DEFAULT_MAX_ROUNDS,
            tool_calls: None,
            time: None,
        }
    }

    /// Returns the maximum number of model calls.
    pub fn max_rounds(&self) -> usize {
        self.rounds
    }

    /// Sets the maximum number of model calls, at least 1. A run that exceeds it returns
    /// [`ChatError::TooManyRounds`](super::ChatError::TooManyRounds).
    pub fn with_max_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds.max(1);
        self
    }

    /// Sets the maximum number of input tokens of all model calls together.
    pub fn with_max_input_tokens(mut self, tokens: u64) -> Self {
        self.input_tokens = Some(tokens);
        self
    }

    /// Sets the maximum number of output tokens of all model calls together.
    pub fn with_max_output_tokens(mut self, tokens: u64) -> Self {
        self.output_tokens = Some(tokens);
        self
    }

    /// Sets the maximum number of input and output tokens of all model calls together.
    pub fn with_max_total_tokens(mut self, tokens: u64) -> Self {
        self.total_tokens = Some(tokens);
        self
    }

    /// Sets the maximum cost in US dollars, at the [built-in prices](Prices::built_in). The run fails
    /// before anything is sent if the model has no price.
    pub fn with_max_cost(mut self, dollars: f64) -> Self {
        self.cost = Some((dollars, Prices::shared()));
        self
    }

    /// Sets the maximum cost in the currency of these prices. The run fails before anything is sent if
    /// the model has no price.
    pub fn with_max_cost_at(mut self, amount: f64, prices: Prices) -> Self {
        self.cost = Some((amount, Arc::new(prices)));
        self
    }

    /// Sets the maximum number of tool calls. The calls of a reply that would exceed it are not run.
    pub fn with_max_tool_calls(mut self, calls: u64) -> Self {
        self.tool_calls = Some(calls);
        self
    }

    /// Sets the maximum duration. It is measured while the run is awaited, and needs the timer of a
    /// tokio runtime. Model calls and tools that still run are cancelled.
    pub fn with_max_time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }
}

/// What a run has used so far.
#[derive(Debug, Default)]
pub(super) struct Spent {
    pub(super) usage: Usage,
    pub(super) rounds: usize,
    /// The complete turns of the model.
    pub(super) turns: Vec<Arc<AssistantTurn>>,
    billed: Usage,
    cost: Cost,
    tool_calls: u64,
}

impl Limits {
    /// Returns an error if there is a limit of cost and the model has no price.
    pub(super) fn check_price(&self, info: &ProviderInfo) -> Result<(), LimitError> {
        let Some((_, prices)) = &self.cost else { return Ok(()) };
        let call = PricedCall::new(Some(&info.name), [info.model.as_deref(), None]);
        if prices.price_of(&call, 0).is_some() {
            return Ok(());
        }
        let model = info.model.as_deref().unwrap_or("(unset)");
        Err(LimitError::new(
            LimitKind::UnknownPrice,
            format!(
                "the run has a limit of cost, and the model `{model}` of `{}` has no price: add one \
                 with `Prices::with_price` and set it with `Limits::with_max_cost_at`",
                info.name
            ),
        ))
    }

    /// Counts a reply.
    pub(super) fn count(&self, spent: &mut Spent, turn: &AssistantTurn) {
        spent.rounds += 1;
        spent.usage += turn.usage;
        if turn.call.as_ref().is_some_and(|call| call.cached) {
            return;
        }
        spent.billed += turn.usage;
        if let Some((_, prices)) = &self.cost {
            spent.cost += turn.cost(prices);
        }
    }

    /// Returns an error if no further model call is allowed.
    pub(super) fn check(&self, spent: &Spent) -> Result<(), LimitError> {
        let (input, output) = (spent.billed.input_tokens, spent.billed.output_tokens);
        let total = spent.billed.total_tokens();
        for (kind, limit, reached) in [
            (LimitKind::InputTokens, self.input_tokens, input),
            (LimitKind::OutputTokens, self.output_tokens, output),
            (LimitKind::TotalTokens, self.total_tokens, total),
        ] {
            if let (Some(limit), Some(reached)) = (limit, reached)
                && reached >= limit
            {
                return Err(LimitError::reached(kind, &limit, &reached));
            }
        }
        match &self.cost {
            Some((_, _)) if !spent.cost.is_complete() => Err(LimitError::new(
                LimitKind::UnknownPrice,
                "the run has a limit of cost, and the vendor did not report usage with a price",
            )),
            Some((limit, prices)) if spent.cost.total() >= *limit => {
                let amount = |amount: f64| format!("{}{amount:.6}", prices.currency());
                let (limit, reached) = (amount(*limit), amount(spent.cost.total()));
                Err(LimitError::reached(LimitKind::Cost, &limit, &reached))
            }
            _ => Ok(()),
        }
    }

    /// Counts tool calls that are about to run. Returns an error if they would exceed the limit.
    pub(super) fn count_tools(&self, spent: &mut Spent, calls: usize) -> Result<(), LimitError> {
        spent.tool_calls = spent.tool_calls.saturating_add(calls as u64);
        match self.tool_calls {
            Some(limit) if spent.tool_calls > limit => {
                Err(LimitError::reached(LimitKind::ToolCalls, &limit, &spent.tool_calls))
            }
            _ => Ok(()),
        }
    }
}

/// The limit that a run reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// [`Limits::with_max_input_tokens`].
    InputTokens,
    /// [`Limits::with_max_output_tokens`].
    OutputTokens,
    /// [`Limits::with_max_total_tokens`].
    TotalTokens,
    /// [`Limits::with_max_cost`].
    Cost,
    /// There is a limit of cost, and the price of a call is unknown.
    UnknownPrice,
    /// [`Limits::with_max_tool_calls`].
    ToolCalls,
    /// [`Limits::with_max_time`].
    Time,
}

impl LimitKind {
    /// Returns the value of `error.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InputTokens | Self::OutputTokens | Self::TotalTokens => names::error::TOKEN_LIMIT,
            Self::Cost => names::error::COST_LIMIT,
            Self::UnknownPrice => names::error::UNKNOWN_PRICE,
            Self::ToolCalls => names::error::TOOL_CALL_LIMIT,
            Self::Time => names::error::TIME_LIMIT,
        }
    }

    const fn subject(self) -> &'static str {
        match self {
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
            Self::TotalTokens => "tokens",
            Self::Cost | Self::UnknownPrice => "cost",
            Self::ToolCalls => "tool calls",
            Self::Time => "time",
        }
    }
}

/// The error of a run that reached one of its [`Limits`].
#[derive(Clone, PartialEq)]
pub struct LimitError(Box<Failure>);

#[derive(Clone, PartialEq)]
struct Failure {
    kind: LimitKind,
    message: String,
    reply: Option<Reply>,
}

impl LimitError {
    fn new(kind: LimitKind, message: impl Into<String>) -> Self {
        Self(Box::new(Failure { kind, message: message.into(), reply: None }))
    }

    pub(super) fn reached(
        kind: LimitKind,
        limit: &dyn fmt::Display,
        reached: &dyn fmt::Display,
    ) -> Self {
        let subject = kind.subject();
        let message = format!(
            "the run was stopped by its limit of {subject}: {limit}, reached: {reached}; raise the \
             limit with `Chat::with_limits` if that is expected"
        );
        Self::new(kind, message)
    }

    pub(super) fn without_timer() -> Self {
        let message = "a run with a limit of time needs a tokio runtime with a timer";
        Self::new(LimitKind::Time, message)
    }

    pub(super) fn with_reply(mut self, reply: Option<Reply>) -> Self {
        self.0.reply = reply;
        self
    }

    /// Returns the limit, to match on.
    pub fn kind(&self) -> LimitKind {
        self.0.kind
    }

    /// Returns the last reply of the model, with the usage of the run. It may be
    /// [partial](AssistantTurn::partial). `None` if no reply had arrived.
    pub fn reply(&self) -> Option<&Reply> {
        self.0.reply.as_ref()
    }
}

impl fmt::Debug for LimitError {
    /// Shows only the usage of the reply, because the rest is message content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("usage", &self.0.reply.as_ref().map(|reply| reply.usage))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for LimitError {}
