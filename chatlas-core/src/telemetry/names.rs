//! Every string of the conventions that this crate writes, once.
//!
//! The [GenAI conventions](https://github.com/open-telemetry/semantic-conventions-genai) are still
//! moving: a rename there is one line here.

/// The name of the instrumentation scope.
pub const SCOPE_NAME: &str = "chatlas";
/// The version of the conventions that the spans follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev";

/// `gen_ai.operation.name`: what a span is about.
pub const OPERATION_NAME: &str = "gen_ai.operation.name";
/// `gen_ai.provider.name`: the telemetry flavour of the provider.
pub const PROVIDER_NAME: &str = "gen_ai.provider.name";
/// `gen_ai.conversation.id`: only one that the program gave.
pub const CONVERSATION_ID: &str = "gen_ai.conversation.id";
/// `gen_ai.output.type`: the format asked for.
pub const OUTPUT_TYPE: &str = "gen_ai.output.type";
/// `server.address`: the host that is asked.
pub const SERVER_ADDRESS: &str = "server.address";
/// `server.port`: its port.
pub const SERVER_PORT: &str = "server.port";
/// `http.request.method`: the method of an HTTP request, on the spans of HTTP attempts.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// `error.type`: present exactly where the status is ERROR.
pub const ERROR_TYPE: &str = "error.type";
/// Ours: the span's work was given up by the program before its end.
pub const CANCELLED: &str = "chatlas.cancelled";
/// Ours: how many seconds a streamed reply waited for its consumer, where that is worth telling.
/// The span's duration includes them; the metric of time per chunk does not.
pub const CONSUMER_SECONDS: &str = "chatlas.consumer.seconds";
/// Ours: how many tokens a vendor counted in a request that was not sent to the model. It is no
/// usage: who sums `gen_ai.usage.…` must not find it there.
pub const COUNTED_TOKENS: &str = "chatlas.counted_tokens";

/// The values of `gen_ai.operation.name`.
pub mod operation {
    /// A model call.
    pub const CHAT: &str = "chat";
    /// An agent's whole run.
    pub const INVOKE_AGENT: &str = "invoke_agent";
    /// A tool call.
    pub const EXECUTE_TOOL: &str = "execute_tool";
    /// The models that a vendor has are listed. No word of the conventions: for metrics alone.
    pub const LIST_MODELS: &str = "list_models";
    /// A vendor counts the tokens of a request. No word of the conventions: for metrics alone.
    pub const COUNT_TOKENS: &str = "count_tokens";
}

/// What was asked.
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
}

/// What was answered.
#[allow(missing_docs)]
pub mod response {
    pub const ID: &str = "gen_ai.response.id";
    pub const MODEL: &str = "gen_ai.response.model";
    pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
}

/// What it took.
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

/// Who runs.
#[allow(missing_docs)]
pub mod agent {
    pub const NAME: &str = "gen_ai.agent.name";
    pub const DESCRIPTION: &str = "gen_ai.agent.description";
}

/// Who asks. These come from the program alone.
pub mod user {
    /// `session.id`, of OpenTelemetry's general conventions.
    pub const SESSION_ID: &str = "session.id";
    /// Ours: the program's own words for a conversation.
    pub const TAGS: &str = "chatlas.tags";
}

/// Whether only this library writes that key: what a program sets under it is passed over, for a
/// span never has two values for one key.
pub(crate) fn is_reserved(key: &str) -> bool {
    (key.starts_with("gen_ai.") && operation_of(key).is_none())
        || matches!(
            key,
            ERROR_TYPE
                | SERVER_ADDRESS
                | SERVER_PORT
                | CANCELLED
                | CONSUMER_SECONDS
                | COUNTED_TOKENS
        )
}

/// The one operation whose span has that key, for keys of the conventions that a program sets.
pub(crate) fn operation_of(key: &str) -> Option<&'static str> {
    if key.starts_with("gen_ai.prompt.") {
        return Some(operation::CHAT);
    }
    (key == "gen_ai.data_source.id").then_some(operation::INVOKE_AGENT)
}

/// Whether a provider may put that key on a `chat` span.
pub(crate) fn is_of_provider(key: &str) -> bool {
    key == "gen_ai.conversation.compacted" || !key.starts_with("gen_ai.") && !is_reserved(key)
}

/// The metrics: their names, and the words of their own among their attributes.
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
    pub const OPERATION_DURATION: &str = "gen_ai.client.operation.duration";
    pub const AGENT_DURATION: &str = "gen_ai.invoke_agent.duration";
    pub const AGENT_INFERENCE_CALLS: &str = "gen_ai.invoke_agent.inference_calls";
    pub const AGENT_TOOL_CALLS: &str = "gen_ai.invoke_agent.tool_calls";
    pub const TOOL_DURATION: &str = "gen_ai.execute_tool.duration";
    pub const TOKEN_MODALITY: &str = "gen_ai.token.modality";

    /// The names that dashboards of 2025 know, written only where they are asked for.
    pub const OLD_TOKEN_USAGE: &str = "gen_ai.client.token.usage";
    pub const OLD_TIME_TO_FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";
    pub const OLD_TIME_PER_OUTPUT_CHUNK: &str = "gen_ai.client.operation.time_per_output_chunk";
    pub const OLD_TOKEN_TYPE: &str = "gen_ai.token.type";
}

/// The events, and the attributes that only they have.
#[allow(missing_docs)]
pub mod event {
    pub const INFERENCE_DETAILS: &str = "gen_ai.client.inference.operation.details";
    pub const EXCEPTION: &str = "gen_ai.client.operation.exception";
    pub const EVALUATION: &str = "gen_ai.evaluation.result";
    pub const EVALUATION_NAME: &str = "gen_ai.evaluation.name";
    pub const EVALUATION_SCORE: &str = "gen_ai.evaluation.score.value";
    pub const EVALUATION_LABEL: &str = "gen_ai.evaluation.score.label";
    pub const EVALUATION_EXPLANATION: &str = "gen_ai.evaluation.explanation";
}

/// The tools.
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

/// The messages: only with capture on.
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
}

/// The values of `error.type` that this crate gives itself. Beside them stand the providers' codes
/// and HTTP statuses, and the type names of tools' errors.
pub mod error {
    /// Nothing more is known. It also stands for a tool's name that a model made up, in metrics.
    pub const OTHER: &str = "_OTHER";
    /// The model's arguments do not fit the tool.
    pub const INVALID_ARGUMENTS: &str = "invalid_arguments";
    /// The model asked for a tool that the chat does not have.
    pub const UNKNOWN_TOOL: &str = "unknown_tool";
    /// The tool panicked.
    pub const PANIC: &str = "panic";
    /// The program gave the work up.
    pub const CANCELLED: &str = "cancelled";
    /// The tool took longer than it may.
    pub const TIMEOUT: &str = "timeout";
    /// The tool has a timeout, and there is no runtime to measure it.
    pub const NO_TIMER: &str = "no_timer";
    /// The tool's value could not be written as JSON.
    pub const UNSERIALIZABLE_RESULT: &str = "unserializable_result";
    /// The program did not let the tool run.
    pub const TOOL_REJECTED: &str = "tool_rejected";
    /// The answer was cut off before it was the value asked for.
    pub const OUTPUT_TRUNCATED: &str = "output_truncated";
    /// The model, or a filter, declined to give the value asked for.
    pub const OUTPUT_REFUSED: &str = "output_refused";
    /// The answer is not the value asked for.
    pub const OUTPUT_INVALID: &str = "output_invalid";
    /// The model kept asking for tools beyond the bound.
    pub const TOO_MANY_ROUNDS: &str = "too_many_rounds";
}
