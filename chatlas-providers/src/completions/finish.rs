//! The finish reasons of all servers that speak Chat Completions.

use chatlas_core::FinishReason;

/// Returns the finish reason of a choice.
pub(super) fn finish_reason(reason: String, has_calls: bool, is_refused: bool) -> FinishReason {
    let mapped = match reason.to_ascii_lowercase().as_str() {
        "stop" if is_refused => FinishReason::ContentFilter,
        "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "end" | "complete"
        | "completed" | "finished" => FinishReason::Stop,
        "length" | "model_length" | "max_tokens" | "max_output_tokens" | "max_length"
        | "token_limit" => FinishReason::Length,
        "content_filter" | "content-filter" | "safety" | "sensitive" | "refusal" | "blocklist"
        | "prohibited_content" | "recitation" | "spii" => FinishReason::ContentFilter,
        "tool_calls" | "tool_call" | "tool-calls" | "tool_use" | "function_call" => {
            FinishReason::ToolCall
        }
        // DeepSeek interrupts a reply for this reason: its calls may be incomplete.
        "insufficient_system_resource" => return FinishReason::Other(reason),
        _ => FinishReason::from(reason),
    };
    match mapped {
        // Some servers report `stop` with tool calls, too.
        FinishReason::Stop | FinishReason::Other(_) if has_calls => FinishReason::ToolCall,
        mapped => mapped,
    }
}

/// Returns whether a finish reason names a failure of the server. OpenRouter passes on those of the
/// servers behind it.
pub(super) fn is_failure(reason: &str) -> bool {
    matches!(
        reason.to_ascii_lowercase().as_str(),
        "error"
            | "failed"
            | "network_error"
            | "internal_error"
            | "server_error"
            | "upstream_error"
            | "provider_error"
            | "malformed_function_call"
    )
}
