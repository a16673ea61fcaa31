//! A model provider: the trait, the request it receives, the stream it returns, and its errors.

mod backoff;
mod embedding;
mod error;
mod info;
pub(crate) mod output;
mod reasoning;
mod request;
mod stream;
mod tool_choice;
mod traits;

pub use backoff::Backoff;
pub use embedding::{EmbeddingKind, EmbeddingRequest, Embeddings};
pub use error::{ProviderError, ProviderErrorKind};
pub use info::{Model, ProviderInfo, ServerToolDefinition, Vendor};
pub use output::OutputSchema;
pub use reasoning::Reasoning;
pub(crate) use request::RunExtension;
pub use request::{ChatRequest, ModelParams};
pub use stream::{AccumulatingStream, CompletionEvent, CompletionStream};
pub use tool_choice::ToolChoice;
// Named in error messages of the compiler.
#[doc(hidden)]
pub use traits::{MethodReply, SupportedBy};
pub use traits::{Protocol, Provider, SupportsTool};

use crate::turn::AssistantTurn;

/// The reply of a provider: an assistant turn.
pub type Completion = AssistantTurn;
