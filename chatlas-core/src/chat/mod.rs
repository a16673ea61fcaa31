//! [`Chat`]: a conversation with a model, its tools and its history.
//!
//! The files depend on each other from the top down: `chat` holds the state; `settings`,
//! `observability`, `hooks`, `step` and `step_settings` configure it; `history` keeps the turns consistent; `run`
//! is the loop and `tools` the tool calls of one reply; `limits` bounds a run; `stream` yields events; `totals`
//! are usage and cost; `calls`, `extract` (which reads the JSON that `answer` finds in a text), `extract_stream`
//! (with the values that `partial` completes) and `parallel` are the methods that start a run. `session` saves
//! and exports,
//! `exchange` undoes and repeats, and `limit` shortens the history. `rehearsal` is for benchmarks.

mod answer;
mod as_tool;
mod calls;
#[expect(
    clippy::module_inception,
    reason = "the state of a chat, below all other files of the room"
)]
mod chat;
mod error;
mod exchange;
mod extract;
mod extract_stream;
mod history;
mod hooks;
mod limit;
mod limits;
mod observability;
mod parallel;
mod partial;
mod prompt;
mod queue;
mod record;
pub(crate) mod rehearsal;
mod reply;
mod run;
mod session;
mod settings;
mod step;
mod step_settings;
mod stream;
mod tools;
mod totals;

pub use as_tool::ChatTool;
pub use chat::{Chat, ToolMode};
pub use error::{ChatError, OutputError, OutputErrorKind};
pub use extract::Extracted;
pub use extract_stream::{ExtractEvent, ExtractStream};
pub use hooks::{Approval, FinishedCall, IntoApproval, PendingCall};
pub use limits::{DEFAULT_MAX_ROUNDS, LimitError, LimitKind, Limits};
pub use parallel::Branch;
pub use prompt::Prompt;
pub use record::HistoryLimit;
pub use reply::{Reply, StreamEvent};
pub use step::{FinishedStep, Step};
pub use stream::{ChatStream, OwnedChatStream};
