//! LLM chat and agents whose OpenTelemetry telemetry is right by construction.
//!
//! ```no_run
//! use chatlas::prelude::*;
//!
//! /// Get the current weather forecast for a city.
//! #[tool]
//! async fn get_weather(
//!     /// The city, such as "Tokyo".
//!     city: String,
//! ) -> String {
//!     format!("{city}: 14°C, light rain")
//! }
//!
//! # async fn example() -> Result<(), chatlas::ChatError> {
//! let mut chat = Chat::new(chatlas::OpenAi::new("gpt-4o"))
//!     .with_system_prompt("Always call get_weather before advising what to pack.")
//!     .with_tools(tools![get_weather]);
//! let reply = chat.chat("I'm headed to Tokyo: what should I pack?").await?;
//! println!("{reply}");
//! # Ok(())
//! # }
//! ```
//!
//! Every `chat()` is recorded as one connected trace: an `invoke_agent` span with a `chat` span for
//! each model call and an `execute_tool` span for each tool call. Spans are exported if an
//! OpenTelemetry SDK is installed: by `chatlas::otel` (feature `otel`), or by the program.
//!
//! | task | see |
//! |---|---|
//! | send prompts: complete or streamed replies, typed values, several at once | [`Chat`] |
//! | define tools | [`#[tool]`](attr.tool.html), [`#[toolbox]`](attr.toolbox.html), [`tools!`](macro.tools.html), [`DynTool`] |
//! | choose a model | [`OpenAi`](type.OpenAi.html), [`Anthropic`](type.Anthropic.html), [`Gemini`](type.Gemini.html) and others, [`auto`], [`HttpOptions`] |
//! | save, continue, fork, undo, shorten and export conversations | [`Chat::session`], [`SessionStore`], [`stores`] |
//! | embed texts | [`Provider::embed`], [`EmbeddingRequest`] |
//! | implement or wrap a provider | [`#[provider]`](attr.provider.html), [`Provider`] |
//! | build agents, workflows and retrieval; evaluate answers | [`#[agent]`](attr.agent.html), [`#[workflow]`](attr.workflow.html), [`#[plan]`](attr.plan.html), [`#[retriever]`](attr.retriever.html), [`#[memory]`](attr.memory.html), [`#[evaluator]`](attr.evaluator.html), [`operations`] |
//! | use MCP servers; serve tools, resources and prompts over MCP | [`chatlas::mcp`](mcp/index.html) |
//! | handle errors | [`ChatError`], [`ProviderErrorKind`] |
//! | export telemetry | [`chatlas::otel`](otel/index.html) |
//! | choose what is recorded, record feedback | [`telemetry`] |
//! | fall back, retry, cache, limit rates, route | [`wrappers`] |
//! | stream answers to a browser | [`ui`] |
//! | test without a network | [`chatlas::testing`](testing/index.html) |
//!
//! # Names
//!
//! Setters of a value under construction are `with_…` and take `self`; setters in place are `set_…`
//! and take `&mut self`; getters have the bare name: `with_model`, `set_model`, `model`.
//!
//! # Features
//!
//! | feature | contents |
//! |---|---|
//! | `openai`, `anthropic`, `google` (default) | the providers of OpenAI, Anthropic and Google Gemini |
//! | `azure`, `bedrock`, `bedrock-aws-config`, `vertex` | the same models in the clouds of Microsoft, Amazon and Google |
//! | `cloudflare`, `databricks`, `deepseek`, `groq`, `huggingface`, `lm-studio`, `mistral`, `ollama`, `openrouter`, `perplexity`, `portkey` | the provider of that vendor |
//! | `rustls` (default) or `rustls-ring` | TLS |
//! | `otel` | [`chatlas::otel`](otel/index.html): the OpenTelemetry SDK, set up in one line |
//! | `otel-grpc`, `otel-live` | OTLP over gRPC; a page that shows the traces of the running program |
//! | `auto-init` | the SDK is set up from environment variables, without code |
//! | `mcp` | [`chatlas::mcp`](mcp/index.html): a client and a server of the Model Context Protocol |
//! | `sqlite` | memories and conversations in a SQLite file |
//! | `cache`, `templates` | a cache of replies in this process; prompts from templates |
//! | `chrono`, `uuid`, `url` | types of these crates as tool parameters |
//! | `testing` | [`chatlas::testing`](testing/index.html): a scripted model and a recorder of telemetry |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[doc(hidden)]
pub use chatlas_core::__private;
pub use chatlas_core::{
    Approval, AssistantTurn, CancellationToken, Chat, ChatError, ChatRequest, ChatStream,
    Completion, CompletionEvent, CompletionStream, Content, Cost, Document, DuplicateTool, DynTool,
    EmbeddingKind, EmbeddingRequest, Embeddings, FinishReason, HostedAgent, Judged, LimitError,
    LimitKind, Limits, MemoryRecord, MemoryStore, Modalities, Model, ModelCall, ModelParams,
    OperationError, OutputSchema, OwnedChatStream, Price, Prices, Prompt, Provide, Provider,
    ProviderError, ProviderErrorKind, ProviderInfo, Reasoning, Reply, Retriever, Score,
    ServerToolDefinition, Session, SessionError, SessionStore, StreamEvent, Tool, ToolAnnotations,
    ToolCall, ToolChoice, ToolContext, ToolDefinition, ToolError, ToolMode, ToolOutput, ToolSet,
    Toolbox, Turn, Usage, UserTurn, WebFetch, WebSearch, chat, content, cost, operations, provider,
    schema, schemars, serde, serde_json, session, telemetry, tool, turn,
};
#[doc(inline)]
pub use chatlas_macros::{
    face_agent as agent, face_evaluator as evaluator, face_hosted_agent as hosted_agent,
    face_memory as memory, face_plan as plan, face_provider as provider,
    face_retriever as retriever, face_tool as tool, face_toolbox as toolbox, face_tools as tools,
    face_workflow as workflow,
};
#[cfg(feature = "mcp")]
#[doc(inline)]
pub use chatlas_mcp as mcp;
#[cfg(feature = "otel")]
#[doc(inline)]
pub use chatlas_otel as otel;
/// The modules of the providers: their settings, and the quirks for `#[provider(like = …)]`.
#[doc(no_inline)]
pub use chatlas_providers as providers;
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
pub use chatlas_providers::http::{BearerToken, HttpOptions};
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

pub mod stores;
#[cfg(feature = "templates")]
pub mod templates;
#[cfg(feature = "testing")]
pub mod testing;
pub mod ui;
pub mod wrappers;

/// The names that programs with tools, hooks or providers need: `use chatlas::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Approval, Chat, ChatError, ChatRequest, ChatStream, Completion, CompletionEvent,
        CompletionStream, Content, Provider, ProviderError, ProviderErrorKind, ProviderInfo, Reply,
        StreamEvent, Tool, ToolContext, ToolError, ToolOutput, ToolSet, Turn, Usage, provider,
        tool, toolbox, tools,
    };
    pub use futures_util::StreamExt as _;
}
