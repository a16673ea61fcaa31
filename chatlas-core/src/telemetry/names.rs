//! The names of the conventions, each defined once: attributes, metrics, events and their values.
//!
//! The [GenAI conventions](https://github.com/open-telemetry/semantic-conventions-genai) are not
//! stable yet. If a name changes there, one line changes here.

use opentelemetry::InstrumentationScope;

/// The name of the instrumentation scope.
pub const SCOPE_NAME: &str = "chatlas";
/// The name of the instrumentation scope of HTTP spans.
pub const HTTP_SCOPE_NAME: &str = "chatlas.http";
/// The schema URL of the conventions that the telemetry follows.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev";

/// `gen_ai.operation.name`: the operation of a span.
pub const OPERATION_NAME: &str = "gen_ai.operation.name";
/// `gen_ai.provider.name`: the provider, one of the values in [`provider`] if there is one.
pub const PROVIDER_NAME: &str = "gen_ai.provider.name";
/// `gen_ai.conversation.id`: recorded only if the program sets it.
pub const CONVERSATION_ID: &str = "gen_ai.conversation.id";
/// `gen_ai.conversation.compacted`: whether the vendor compacted the conversation.
pub const CONVERSATION_COMPACTED: &str = "gen_ai.conversation.compacted";
/// `gen_ai.data_source.id`: set by the program, on `invoke_agent` spans.
pub const DATA_SOURCE_ID: &str = "gen_ai.data_source.id";
/// The prefix of the attributes of a prompt template: set by the program, on `chat` spans.
pub const PROMPT_PREFIX: &str = "gen_ai.prompt.";
/// `gen_ai.prompt.name`: the name of a prompt template.
pub const PROMPT_NAME: &str = "gen_ai.prompt.name";
/// `gen_ai.prompt.version`: the version of a prompt template.
pub const PROMPT_VERSION: &str = "gen_ai.prompt.version";
/// The prefix of all attributes of the GenAI conventions.
pub const GEN_AI_PREFIX: &str = "gen_ai.";
/// `gen_ai.output.type`: the requested output format.
pub const OUTPUT_TYPE: &str = "gen_ai.output.type";
/// `server.address`: the host that requests are sent to.
pub const SERVER_ADDRESS: &str = "server.address";
/// `server.port`: the port that requests are sent to.
pub const SERVER_PORT: &str = "server.port";
/// `error.type`: set if and only if the span's status is an error.
pub const ERROR_TYPE: &str = "error.type";
/// Specific to chatlas: the program cancelled the operation before its end.
pub const CANCELLED: &str = "chatlas.cancelled";
/// Specific to chatlas: a transparent provider answered the call by itself, for example from a cache.
/// No tokens were used, so the span has no usage. Only ever true.
pub const ANSWERED_BY_WRAPPER: &str = "chatlas.answered_by_wrapper";
/// Specific to chatlas: the position of the provider that a fallback called, from 1. Not set on calls of
/// the first provider.
pub const FALLBACK_INDEX: &str = "chatlas.fallback.index";
/// Specific to chatlas: how many times a wrapper has repeated the call. Not set on the first call.
pub const RETRY_COUNT: &str = "chatlas.retry.count";
/// Specific to chatlas: how many seconds the call waited for a rate limit, before its span.
pub const RATE_LIMIT_WAIT: &str = "chatlas.rate_limit.wait";
/// Specific to chatlas: the name of the route that a router chose.
pub const ROUTE: &str = "chatlas.route";
/// Specific to chatlas: how many seconds a streamed reply waited for its consumer, if that was a
/// noticeable delay. The span's duration includes them; the metric of time per chunk does not.
pub const CONSUMER_SECONDS: &str = "chatlas.consumer.seconds";
/// Specific to chatlas: the tokens that a vendor counted in a request without running the model.
/// This is not usage, so it does not add to a sum over `gen_ai.usage.*`.
pub const COUNTED_TOKENS: &str = "chatlas.counted_tokens";
/// Specific to chatlas: the estimated cost of a model call, or of the model calls of an agent. Recorded
/// if the program sets prices for it.
pub const COST_AMOUNT: &str = "chatlas.cost.amount";
/// Specific to chatlas: the currency of the cost: a sign or a code.
pub const COST_CURRENCY: &str = "chatlas.cost.currency";
/// Specific to chatlas: the values of a model that were converted to fit their JSON schema, each as
/// its path and the two kinds, such as `$.days: a string to an integer`. On `execute_tool` spans, and
/// on the `invoke_agent` span of an extraction.
pub const COERCED: &str = "chatlas.coerced";

/// Specific to chatlas: how many times the run has requested another answer, because one was not of
/// the type that `extract` requested. Not set before the first retry.
pub const EXTRACT_RETRY_COUNT: &str = "chatlas.extract.retry.count";
/// Specific to chatlas: the error code of the answer that a retry replaces.
pub const EXTRACT_RETRY_REASON: &str = "chatlas.extract.retry.reason";

/// Returns the instrumentation scope of the GenAI spans, metrics and events.
pub(super) fn instrumentation_scope() -> InstrumentationScope {
    InstrumentationScope::builder(SCOPE_NAME)
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}

/// Values of `gen_ai.provider.name` that the conventions define.
#[allow(missing_docs)]
pub mod provider {
    pub const ANTHROPIC: &str = "anthropic";
    pub const AWS_BEDROCK: &str = "aws.bedrock";
    pub const AZURE_OPENAI: &str = "azure.ai.openai";
    pub const GEMINI: &str = "gcp.gemini";
    pub const OPENAI: &str = "openai";
    pub const VERTEX_AI: &str = "gcp.vertex_ai";
}

/// The values of `gen_ai.operation.name`.
pub mod operation {
    /// A model call.
    pub const CHAT: &str = "chat";
    /// A run of an agent: all model and tool calls of one prompt.
    pub const INVOKE_AGENT: &str = "invoke_agent";
    /// A tool call.
    pub const EXECUTE_TOOL: &str = "execute_tool";
    /// A run of a workflow: several agents, calls and steps.
    pub const INVOKE_WORKFLOW: &str = "invoke_workflow";
    /// The planning of an agent.
    pub const PLAN: &str = "plan";
    /// A retrieval of documents.
    pub const RETRIEVAL: &str = "retrieval";
    /// The creation of a hosted agent.
    pub const CREATE_AGENT: &str = "create_agent";
    /// The creation of a memory store.
    pub const CREATE_MEMORY_STORE: &str = "create_memory_store";
    /// The deletion of a memory store.
    pub const DELETE_MEMORY_STORE: &str = "delete_memory_store";
    /// A search for memory records.
    pub const SEARCH_MEMORY: &str = "search_memory";
    /// The creation of memory records.
    pub const CREATE_MEMORY: &str = "create_memory";
    /// The change of existing memory records.
    pub const UPDATE_MEMORY: &str = "update_memory";
    /// The creation of memory records, or their change if they exist.
    pub const UPSERT_MEMORY: &str = "upsert_memory";
    /// The deletion of memory records.
    pub const DELETE_MEMORY: &str = "delete_memory";
    /// A request for embeddings.
    pub const EMBEDDINGS: &str = "embeddings";
    /// Listing a vendor's models. Not defined by the conventions; recorded on metrics only.
    pub const LIST_MODELS: &str = "list_models";
    /// Counting the tokens of a request. Not defined by the conventions; recorded on metrics only.
    pub const COUNT_TOKENS: &str = "count_tokens";
}

/// Attributes of the request.
#[allow(missing_docs)]
pub mod request {
    pub const MODEL: &str = "gen_ai.request.model";
    pub const STREAM: &str = "gen_ai.request.stream";
    pub const TEMPERATURE: &str = "gen_ai.request.temperature";
    pub const TOP_P: &str = "gen_ai.request.top_p";
    pub const TOP_K: &str = "gen_ai.request.top_k";
    pub const MAX_TOKENS: &str = "gen_ai.request.max_tokens";
    pub const SEED: &str = "gen_ai.request.seed";
    pub const FREQUENCY_PENALTY: &str = "gen_ai.request.frequency_penalty";
    pub const PRESENCE_PENALTY: &str = "gen_ai.request.presence_penalty";
    pub const STOP_SEQUENCES: &str = "gen_ai.request.stop_sequences";
    pub const REASONING_LEVEL: &str = "gen_ai.request.reasoning.level";
    pub const CHOICE_COUNT: &str = "gen_ai.request.choice.count";
    pub const PREVIOUS_RESPONSE_ID: &str = "gen_ai.request.previous_response.id";
    pub const ENCODING_FORMATS: &str = "gen_ai.request.encoding_formats";
}

/// Attributes of the response.
#[allow(missing_docs)]
pub mod response {
    pub const ID: &str = "gen_ai.response.id";
    pub const MODEL: &str = "gen_ai.response.model";
    pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
}

/// Token counts.
#[allow(missing_docs)]
pub mod usage {
    pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    pub const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
    pub const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_write.input_tokens";
    pub const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
    pub const TEXT_INPUT_TOKENS: &str = "gen_ai.usage.text.input_tokens";
    pub const IMAGE_INPUT_TOKENS: &str = "gen_ai.usage.image.input_tokens";
    pub const AUDIO_INPUT_TOKENS: &str = "gen_ai.usage.audio.input_tokens";
    pub const TEXT_OUTPUT_TOKENS: &str = "gen_ai.usage.text.output_tokens";
    pub const IMAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.image.output_tokens";
    pub const AUDIO_OUTPUT_TOKENS: &str = "gen_ai.usage.audio.output_tokens";
    pub const TEXT_CACHE_READ_TOKENS: &str = "gen_ai.usage.text.cache_read.input_tokens";
    pub const IMAGE_CACHE_READ_TOKENS: &str = "gen_ai.usage.image.cache_read.input_tokens";
    pub const AUDIO_CACHE_READ_TOKENS: &str = "gen_ai.usage.audio.cache_read.input_tokens";
}

/// Attributes of embeddings.
#[allow(missing_docs)]
pub mod embeddings {
    pub const DIMENSION_COUNT: &str = "gen_ai.embeddings.dimension.count";
}

/// Attributes of the agent.
#[allow(missing_docs)]
pub mod agent {
    pub const NAME: &str = "gen_ai.agent.name";
    pub const DESCRIPTION: &str = "gen_ai.agent.description";
    pub const ID: &str = "gen_ai.agent.id";
    pub const VERSION: &str = "gen_ai.agent.version";
}

/// Attributes of retrievals.
#[allow(missing_docs)]
pub mod retrieval {
    pub const TOP_K: &str = "gen_ai.retrieval.top_k";
    pub const QUERY: &str = "gen_ai.retrieval.query.text";
    pub const DOCUMENTS: &str = "gen_ai.retrieval.documents";
}

/// Attributes of memory operations.
#[allow(missing_docs)]
pub mod memory {
    pub const STORE_ID: &str = "gen_ai.memory.store.id";
    pub const RECORD_ID: &str = "gen_ai.memory.record.id";
    pub const RECORD_COUNT: &str = "gen_ai.memory.record.count";
    pub const QUERY: &str = "gen_ai.memory.query.text";
    pub const RECORDS: &str = "gen_ai.memory.records";
}

/// Attributes of the user and the session, set by the program.
pub mod user {
    /// `session.id`, from OpenTelemetry's general conventions.
    pub const SESSION_ID: &str = "session.id";
    /// Specific to chatlas: the program's labels of a conversation.
    pub const TAGS: &str = "chatlas.tags";
}

/// Attributes of OpenAI's conventions, also used for the vendors that speak its protocols.
#[allow(missing_docs)]
pub mod openai {
    pub const API_TYPE: &str = "openai.api.type";
    pub const REQUEST_SERVICE_TIER: &str = "openai.request.service_tier";
    pub const RESPONSE_SERVICE_TIER: &str = "openai.response.service_tier";
    pub const RESPONSE_SYSTEM_FINGERPRINT: &str = "openai.response.system_fingerprint";
    /// The prefix of the attributes of a response.
    pub const RESPONSE_PREFIX: &str = "openai.response.";
}

/// Attributes of the conventions of AWS Bedrock.
#[allow(missing_docs)]
pub mod aws {
    pub const BEDROCK_GUARDRAIL_ID: &str = "aws.bedrock.guardrail.id";
}

/// Attributes of requests of the Model Context Protocol, including those of the general conventions.
#[allow(missing_docs)]
pub mod mcp {
    pub const METHOD_NAME: &str = "mcp.method.name";
    pub const PROTOCOL_VERSION: &str = "mcp.protocol.version";
    pub const RESOURCE_URI: &str = "mcp.resource.uri";
    pub const SESSION_ID: &str = "mcp.session.id";
    pub const PROMPT_NAME: &str = "gen_ai.prompt.name";
    /// The prefix of the arguments of a prompt, recorded only with capture on.
    pub const PROMPT_VARIABLE_PREFIX: &str = "gen_ai.prompt.variable.";
    pub const REQUEST_ID: &str = "jsonrpc.request.id";
    pub const STATUS_CODE: &str = "rpc.response.status_code";
    pub const TRANSPORT: &str = "network.transport";
    pub const NETWORK_PROTOCOL: &str = "network.protocol.name";
    /// Specific to chatlas: the name of a tool on its server, if the model uses another name because
    /// that one is not valid, not unique, or prefixed.
    pub const SERVER_TOOL_NAME: &str = "chatlas.mcp.tool.name";
    /// The value of `mcp.method.name` for a tool call.
    pub const TOOLS_CALL: &str = "tools/call";
    /// The value of `error.type` for a tool that returned an error.
    pub const TOOL_ERROR: &str = "tool_error";
}

/// Attributes of HTTP spans, from OpenTelemetry's HTTP conventions.
#[allow(missing_docs)]
pub mod http {
    pub const REQUEST_METHOD: &str = "http.request.method";
    pub const REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
    pub const RESPONSE_STATUS_CODE: &str = "http.response.status_code";
    pub const URL_FULL: &str = "url.full";
}

/// Returns whether only this library writes that key. An attribute that the program sets under such
/// a key is ignored, because the SDK would export both values.
pub(crate) fn is_reserved(key: &str) -> bool {
    (key.starts_with(GEN_AI_PREFIX) && operation_of(key).is_none())
        || matches!(
            key,
            ERROR_TYPE
                | SERVER_ADDRESS
                | SERVER_PORT
                | CANCELLED
                | ANSWERED_BY_WRAPPER
                | CONSUMER_SECONDS
                | COUNTED_TOKENS
        )
}

/// The prefix of the attributes that are specific to this library.
const CHATLAS_PREFIX: &str = "chatlas.";

/// Panics at compile time if only this library may write that key.
#[doc(hidden)]
#[track_caller]
pub const fn assert_custom(key: &str) {
    let is_reserved = starts_with(key, GEN_AI_PREFIX)
        || starts_with(key, CHATLAS_PREFIX)
        || same(key, ERROR_TYPE)
        || same(key, SERVER_ADDRESS)
        || same(key, SERVER_PORT);
    assert!(!is_reserved, "this key is reserved for chatlas; use another one");
}

/// Returns whether two texts are equal, at compile time.
pub(crate) const fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && starts_with(a, b)
}

const fn starts_with(text: &str, prefix: &str) -> bool {
    let (text, prefix) = (text.as_bytes(), prefix.as_bytes());
    if text.len() < prefix.len() {
        return false;
    }
    let mut i = 0;
    while i < prefix.len() {
        if text[i] != prefix[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Returns the one operation whose span has that key, for keys of the GenAI conventions that the
/// program sets.
pub(crate) fn operation_of(key: &str) -> Option<&'static str> {
    if key.starts_with(PROMPT_PREFIX) {
        return Some(operation::CHAT);
    }
    (key == DATA_SOURCE_ID).then_some(operation::INVOKE_AGENT)
}

/// Returns whether a provider may set that key on a `chat` span.
pub(crate) fn is_of_provider(key: &str) -> bool {
    key == CONVERSATION_COMPACTED || !key.starts_with(GEN_AI_PREFIX) && !is_reserved(key)
}

/// The names of metrics, and the attributes that only metrics have.
#[allow(missing_docs)]
pub mod metric {
    pub const INFERENCE_DURATION: &str = "gen_ai.client.inference.duration";
    pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.client.inference.time_to_first_chunk";
    pub const TIME_PER_OUTPUT_CHUNK: &str = "gen_ai.client.inference.time_per_output_chunk";
    pub const USAGE_INPUT: &str = "gen_ai.client.inference.usage.input_tokens";
    pub const USAGE_OUTPUT: &str = "gen_ai.client.inference.usage.output_tokens";
    pub const USAGE_CACHE_READ: &str = "gen_ai.client.inference.usage.cache_read.input_tokens";
    pub const USAGE_CACHE_WRITE: &str = "gen_ai.client.inference.usage.cache_write.input_tokens";
    pub const USAGE_REASONING: &str = "gen_ai.client.inference.usage.reasoning.output_tokens";
    pub const INPUT_TOKENS: &str = "gen_ai.client.inference.operation.input_tokens";
    pub const OUTPUT_TOKENS: &str = "gen_ai.client.inference.operation.output_tokens";
    pub const EMBEDDINGS_DURATION: &str = "gen_ai.client.embeddings.duration";
    pub const EMBEDDINGS_INPUT_TOKENS: &str = "gen_ai.client.embeddings.operation.input_tokens";
    pub const OPERATION_DURATION: &str = "gen_ai.client.operation.duration";
    pub const AGENT_DURATION: &str = "gen_ai.invoke_agent.duration";
    pub const AGENT_INFERENCE_CALLS: &str = "gen_ai.invoke_agent.inference_calls";
    pub const AGENT_TOOL_CALLS: &str = "gen_ai.invoke_agent.tool_calls";
    pub const TOOL_DURATION: &str = "gen_ai.execute_tool.duration";
    pub const RETRIEVAL_DURATION: &str = "gen_ai.retrieval.duration";
    pub const TOKEN_MODALITY: &str = "gen_ai.token.modality";
    pub const MCP_CLIENT_OPERATION: &str = "mcp.client.operation.duration";
    pub const MCP_CLIENT_SESSION: &str = "mcp.client.session.duration";
    pub const MCP_SERVER_OPERATION: &str = "mcp.server.operation.duration";
    pub const MCP_SERVER_SESSION: &str = "mcp.server.session.duration";

    // The names of 2025, recorded only if the program opts in.
    pub const OLD_TOKEN_USAGE: &str = "gen_ai.client.token.usage";
    pub const OLD_TIME_TO_FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";
    pub const OLD_TIME_PER_OUTPUT_CHUNK: &str = "gen_ai.client.operation.time_per_output_chunk";
    pub const OLD_TOKEN_TYPE: &str = "gen_ai.token.type";
}

/// The values of `gen_ai.token.modality`.
pub mod modality {
    /// Tokens of text.
    pub const TEXT: &str = "text";
    /// Tokens of images.
    pub const IMAGE: &str = "image";
    /// Tokens of audio.
    pub const AUDIO: &str = "audio";
    /// Tokens whose modality the vendor does not report.
    pub const UNKNOWN: &str = "unknown";
}

/// The names of events, and the attributes that only events have.
#[allow(missing_docs)]
pub mod event {
    pub const INFERENCE_DETAILS: &str = "gen_ai.client.inference.operation.details";
    pub const INFERENCE_EXCEPTION: &str = "gen_ai.client.inference.exception";
    pub const TOOL_EXCEPTION: &str = "gen_ai.execute_tool.exception";
    /// The name of 2025, recorded only if the program opts in.
    pub const OLD_EXCEPTION: &str = "gen_ai.client.operation.exception";
    pub const EVALUATION: &str = "gen_ai.evaluation.result";
    pub const EVALUATION_NAME: &str = "gen_ai.evaluation.name";
    pub const EVALUATION_SCORE: &str = "gen_ai.evaluation.score.value";
    pub const EVALUATION_LABEL: &str = "gen_ai.evaluation.score.label";
    pub const EVALUATION_EXPLANATION: &str = "gen_ai.evaluation.explanation";
}

/// Attributes of tools and tool calls.
#[allow(missing_docs)]
pub mod tool {
    pub const NAME: &str = "gen_ai.tool.name";
    pub const TYPE: &str = "gen_ai.tool.type";
    pub const DESCRIPTION: &str = "gen_ai.tool.description";
    pub const CALL_ID: &str = "gen_ai.tool.call.id";
    pub const CALL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
    pub const CALL_RESULT: &str = "gen_ai.tool.call.result";
    pub const DEFINITIONS: &str = "gen_ai.tool.definitions";
    /// The value of `gen_ai.tool.type` for a tool that runs in this program.
    pub const FUNCTION: &str = "function";
}

/// Attributes with content, recorded only with capture on.
#[allow(missing_docs)]
pub mod content {
    pub const SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
    pub const INPUT_MESSAGES: &str = "gen_ai.input.messages";
    pub const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
}

/// The exception event of a failed span.
#[allow(missing_docs)]
pub mod exception {
    pub const EVENT: &str = "exception";
    pub const TYPE: &str = "exception.type";
    pub const MESSAGE: &str = "exception.message";

    /// The value of `exception.type` for a failed call of a provider.
    pub const PROVIDER_ERROR: &str = "chatlas::ProviderError";
    /// The value of `exception.type` for a reply that is not the requested value.
    pub const OUTPUT_ERROR: &str = "chatlas::OutputError";
    /// The value of `exception.type` for any other failed run.
    pub const CHAT_ERROR: &str = "chatlas::ChatError";
}

/// The values of `error.type` that this crate defines. Other values are the vendors' error codes,
/// HTTP status codes, and the type names of tool errors.
pub mod error {
    /// No specific value is available. On tool metrics, it is also the name of a tool that does not
    /// exist.
    pub const OTHER: &str = "_OTHER";
    /// The model's arguments do not match the tool's parameters.
    pub const INVALID_ARGUMENTS: &str = "invalid_arguments";
    /// The reply ended before the arguments of the tool call were complete.
    pub const ARGUMENTS_TRUNCATED: &str = "arguments_truncated";
    /// The model requested a tool that the chat does not have.
    pub const UNKNOWN_TOOL: &str = "unknown_tool";
    /// The work panicked.
    pub const PANIC: &str = "panic";
    /// The program cancelled the run.
    pub const CANCELLED: &str = "cancelled";
    /// The tool exceeded its timeout.
    pub const TIMEOUT: &str = "timeout";
    /// The tool has a timeout, but there is no runtime to measure it.
    pub const NO_TIMER: &str = "no_timer";
    /// The tool's return value could not be serialized to JSON.
    pub const UNSERIALIZABLE_RESULT: &str = "unserializable_result";
    /// The program rejected the tool call.
    pub const TOOL_REJECTED: &str = "tool_rejected";
    /// The reply was cut off before the requested value was complete.
    pub const OUTPUT_TRUNCATED: &str = "output_truncated";
    /// The model, or a content filter, refused to return the requested value.
    pub const OUTPUT_REFUSED: &str = "output_refused";
    /// The reply is not a valid value of the requested type.
    pub const OUTPUT_INVALID: &str = "output_invalid";
    /// The program called an operation that is not implemented.
    pub const UNSUPPORTED: &str = "unsupported";
    /// The model kept requesting tools until the maximum number of rounds was reached.
    pub const TOO_MANY_ROUNDS: &str = "too_many_rounds";
    /// The run reached its limit of input tokens, output tokens, or their sum.
    pub const TOKEN_LIMIT: &str = "token_limit";
    /// The run reached its limit of cost.
    pub const COST_LIMIT: &str = "cost_limit";
    /// The run has a limit of cost, and the model has no price.
    pub const UNKNOWN_PRICE: &str = "unknown_price";
    /// The run would exceed its limit of tool calls.
    pub const TOOL_CALL_LIMIT: &str = "tool_call_limit";
    /// The run reached its limit of time.
    pub const TIME_LIMIT: &str = "time_limit";
}
