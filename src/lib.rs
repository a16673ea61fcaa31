//! LLM chat and agents whose OpenTelemetry telemetry is right by construction.
//!
//! ```no_run
//! use chatlas::prelude::*;
//!
//! /// Get the current weather forecast for a city.
//! #[tool]
//! async fn get_weather(
//!     /// The city, "Tokyo" for example.
//!     city: String,
//! ) -> String {
//!     format!("{city}: 14°C, light rain")
//! }
//!
//! # async fn example() -> Result<(), chatlas::ChatError> {
//! let mut chat = Chat::new(chatlas::OpenAi::new("gpt-4o"))
//!     .system_prompt("Always call get_weather before advising what to pack.")
//!     .tools(tools![get_weather]);
//! let reply = chat.chat("I'm headed to Tokyo: what should I pack?").await?;
//! println!("{reply}");
//! # Ok(())
//! # }
//! ```
//!
//! Every `chat()` is one connected trace: `invoke_agent`, below it a `chat` span for each model
//! call and an `execute_tool` span for each tool call. They go nowhere until an OpenTelemetry SDK
//! is installed: by `chatlas::otel` (feature `otel`), or by the program itself.
//!
//! | to | see |
//! |---|---|
//! | talk to a model: whole, streamed, as values, many at once | [`Chat`] |
//! | let it call functions | [`#[tool]`](macro@tool), [`#[toolbox]`](macro@toolbox), [`tools!`], [`DynTool`] |
//! | name the model | `OpenAi`, `Anthropic`, `Gemini` and others, [`auto`], [`HttpOptions`] |
//! | bring a model of your own, or wrap one | [`#[provider]`](macro@provider), [`Provider`] |
//! | tell failures apart | [`ChatError`], [`ProviderErrorKind`] |
//! | say where traces go | `chatlas::otel` |
//! | say what is recorded, judge an answer | [`telemetry`] |
//! | test all of it without a network | `chatlas::testing` |
//!
//! # Features
//!
//! Each provider has one of its name; `openai`, `anthropic`, `google` and TLS (`rustls-ring`) are on
//! unless turned off. `otel` is `chatlas::otel`, `otel-grpc` adds OTLP over gRPC, `auto-init` sets
//! telemetry up without a line of code, `testing` is `chatlas::testing`. `chrono`, `uuid` and `url`
//! let tools take those crates' types.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub use chatlas_core::__private;
pub use chatlas_core::*;
#[doc(inline)]
pub use chatlas_macros::{
    face_provider as provider, face_tool as tool, face_toolbox as toolbox, face_tools as tools,
};
#[cfg(feature = "otel")]
#[doc(inline)]
pub use chatlas_otel as otel;
#[cfg(feature = "anthropic")]
pub use chatlas_providers::anthropic::{Anthropic, Caching};
pub use chatlas_providers::auto::{auto, auto_from_env};
#[cfg(feature = "azure")]
pub use chatlas_providers::azure::{AzureOpenAi, AzureOpenAiCompletions};
#[cfg(feature = "bedrock")]
pub use chatlas_providers::bedrock::{self, Bedrock, BedrockApi};
#[cfg(feature = "google")]
pub use chatlas_providers::google::Gemini;
#[cfg(feature = "vertex")]
pub use chatlas_providers::google::Vertex;
pub use chatlas_providers::http::{HttpOptions, Token};
#[cfg(feature = "cloudflare")]
pub use chatlas_providers::vendors::Cloudflare;
#[cfg(feature = "databricks")]
pub use chatlas_providers::vendors::Databricks;
#[cfg(feature = "deepseek")]
pub use chatlas_providers::vendors::DeepSeek;
#[cfg(feature = "groq")]
pub use chatlas_providers::vendors::Groq;
#[cfg(feature = "huggingface")]
pub use chatlas_providers::vendors::HuggingFace;
#[cfg(feature = "lm-studio")]
pub use chatlas_providers::vendors::LmStudio;
#[cfg(feature = "mistral")]
pub use chatlas_providers::vendors::Mistral;
#[cfg(feature = "ollama")]
pub use chatlas_providers::vendors::Ollama;
#[cfg(feature = "openrouter")]
pub use chatlas_providers::vendors::OpenRouter;
#[cfg(feature = "perplexity")]
pub use chatlas_providers::vendors::Perplexity;
#[cfg(feature = "portkey")]
pub use chatlas_providers::vendors::Portkey;
#[cfg(feature = "openai")]
pub use chatlas_providers::{completions::OpenAiCompletions, openai::OpenAi};

#[cfg(feature = "testing")]
pub mod testing;

/// What most programs need: `use chatlas::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Chat, ChatError, ChatStream, Content, Provider, Reply, StreamEvent, Tool, ToolSet, Turn,
        provider, tool, toolbox, tools,
    };
    pub use futures_util::StreamExt as _;
}

/// The examples of the README, of the guides and of the macros compile.
#[cfg(all(doctest, feature = "otel", feature = "openai"))]
mod guides {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/monitor.md")]
    struct Monitor;
    #[doc = include_str!("../docs/questions.md")]
    struct Questions;
    #[doc = include_str!("../docs/backends.md")]
    struct Backends;
    #[doc = include_str!("../chatlas-macros/docs/tool.md")]
    struct ToolMacro;
    #[doc = include_str!("../chatlas-macros/docs/toolbox.md")]
    struct ToolboxMacro;
    #[doc = include_str!("../chatlas-macros/docs/tools.md")]
    struct ToolsMacro;
    #[doc = include_str!("../chatlas-macros/docs/provider.md")]
    struct ProviderMacro;
}
