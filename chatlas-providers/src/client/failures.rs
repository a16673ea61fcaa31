//! What failures mean, by the codes and the words of all vendors: one table for all dialects. Gateways
//! pass on the errors of other vendors, so that any vendor's words may arrive by any protocol.

use chatlas_core::ProviderErrorKind;

/// Words that all vendors use for a conversation that is too long.
const TOO_LONG: &[&str] = &[
    "context length",
    "context window",
    "context size",
    "context limit",
    "context_length_exceeded",
    "exceed_context_size",
    "maximum model length",
    "maximum prompt length",
    "maximum input length",
    "maximum allowed input length",
    "maximum number of tokens allowed",
    "model token limit",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input too long",
    "input tokens exceed",
    "input token count",
    "prompt token count",
    "prompt exceeds max length",
    "range of input length",
    "request too large for model",
    "too large for model with",
    "too many tokens",
    "too many input tokens",
    "reduce the length of the messages",
    "reduce the length of the prompt",
    "reduce the length of your",
];
/// Words of rate limits, which count tokens as well.
const RATE: &[&str] = &[
    "per minute",
    "per hour",
    "per day",
    "per second",
    "per week",
    "(tpm)",
    "(tpd)",
    "rate limit",
    "rate_limit",
    "ratelimit",
    "too many requests",
    "please wait",
    "throttl",
    "concurrency limit",
];
/// Words of quotas and balances.
const QUOTA: &[&str] = &[
    "quota",
    "insufficient balance",
    "insufficient credit",
    "insufficient funds",
    "credit balance",
    "not enough credits",
    "out of credits",
    "payment required",
    "billing",
    "good standing",
    "usage limit",
];
const FILTERED: &[&str] = &[
    "content filter",
    "content_filter",
    "content filtering",
    "content management policy",
    "content policy",
    "content exists risk",
    "inappropriate content",
    "prohibited content",
    "sensitive content",
    "safety system",
    "responsible ai",
    "moderation",
    "usage policies",
];
const UNAUTHORIZED: &[&str] = &[
    "api key not valid",
    "api key not found",
    "api key expired",
    "invalid api key",
    "invalid api-key",
    "invalid_api_key",
    "incorrect api key",
    "missing api key",
    "no api key",
    "api key is missing",
    "api key is invalid",
    "carry the api key",
    "provide an api key",
    "invalid authentication",
    "authentication fail",
    "authentication error",
    "unauthorized",
    "login fail",
    "invalid access token",
    "token expired",
    "expired token",
];
/// Words of a missing model, beside the word `model`.
const NOT_FOUND: &[&str] = &[
    "not found",
    "does not exist",
    "not exist",
    "doesn't exist",
    "no such model",
    "unknown model",
    "invalid model",
    "not a valid model",
    "unsupported model",
    "unrecognized model",
    "not have access to",
    "decommissioned",
];
const OVERLOADED: &[&str] = &[
    "overloaded",
    "over capacity",
    "at capacity",
    "capacity exceeded",
    "server is busy",
    "system is busy",
    "service unavailable",
    "temporarily unavailable",
    "currently unavailable",
    "no available server",
];

/// Returns the kind of a message, if its words are of one.
pub(crate) fn kind_of_message(message: &str) -> Option<ProviderErrorKind> {
    let message = message.to_ascii_lowercase();
    let contains = |words: &[&str]| words.iter().any(|words| message.contains(words));
    Some(if contains(RATE) {
        ProviderErrorKind::RateLimit
    } else if contains(TOO_LONG) || measures_too_much(&message) {
        ProviderErrorKind::ContextTooLong
    } else if contains(QUOTA) {
        ProviderErrorKind::RateLimit
    } else if contains(FILTERED) {
        ProviderErrorKind::ContentFilter
    } else if contains(UNAUTHORIZED) {
        ProviderErrorKind::Authentication
    } else if message.contains("model") && contains(NOT_FOUND) || contains(&["no endpoints found"])
    {
        ProviderErrorKind::ModelNotFound
    } else if contains(OVERLOADED) {
        ProviderErrorKind::Overloaded
    } else {
        return None;
    })
}

/// Returns whether a message means that the conversation is too long.
pub(crate) fn is_too_long(message: &str) -> bool {
    kind_of_message(message) == Some(ProviderErrorKind::ContextTooLong)
}

/// Returns whether a message in lower case states that the tokens of the input exceed a limit, in words
/// that are not in the table. A limit of the requested output is another matter.
fn measures_too_much(message: &str) -> bool {
    let contains = |words: &[&str]| words.iter().any(|words| message.contains(words));
    let is_excess = contains(&[
        "exceed",
        "too long",
        "too large",
        "longer than",
        "greater than",
        "more than",
        "less than",
        "<=",
        "only supports",
        "at most",
    ]);
    is_excess
        && contains(&["token"])
        && contains(&["prompt", "input", "conversation", "messages"])
        && !contains(&["completion tokens", "max_completion_tokens", "max_output_tokens"])
        && (!message.contains("max_tokens") || message.contains('+'))
}

/// Returns the kind of a code, in any vendor's spelling; `None` if it decides nothing.
pub(crate) fn kind_of_code(code: &str) -> Option<ProviderErrorKind> {
    // `InvalidApiKey`, `INVALID_API_KEY` and `invalid_api_key` are one code.
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match plain.to_ascii_lowercase().as_str() {
        "invalidapikey"
        | "apikeyinvalid"
        | "authenticationerror"
        | "invalidauthentication"
        | "invalidauthenticationerror"
        | "unauthenticated"
        | "unauthorized"
        | "permissiondenied"
        | "permissionerror"
        | "permissiondeniederror"
        | "incorrectapikeyerror"
        | "accessdenied" => ProviderErrorKind::Authentication,
        "modelnotfound"
        | "modelnotfounderror"
        | "modelnotexist"
        | "modelnotsupported"
        | "modelnotavailable"
        | "modeldecommissioned"
        | "invalidmodel"
        | "invalidmodelname"
        | "unknownmodel"
        | "unsupportedmodel"
        | "deploymentnotfound"
        | "resourcedoesnotexist" => ProviderErrorKind::ModelNotFound,
        "contextlengthexceeded"
        | "contextwindowexceeded"
        | "contextwindowexceedederror"
        | "exceedcontextsizeerror"
        | "modelmaxprompttokensexceeded"
        | "promptistoolong"
        | "prompttoolong"
        | "inputtoolong"
        | "tokenlimitexceeded"
        | "maxcontextlengthexceeded"
        | "requesttoolargeformodel" => ProviderErrorKind::ContextTooLong,
        "contentfilter"
        | "contentfiltererror"
        | "contentfiltered"
        | "contentpolicyviolation"
        | "imagecontentpolicyviolation"
        | "responsibleaipolicyviolation"
        | "moderationblocked"
        | "datainspectionfailed"
        | "invalidprompt"
        | "safetyviolation" => ProviderErrorKind::ContentFilter,
        "ratelimitexceeded"
        | "ratelimiterror"
        | "ratelimitreached"
        | "ratelimitreachederror"
        | "toomanyrequests"
        | "requestlimitexceeded"
        | "insufficientquota"
        | "quotaexceeded"
        | "exceededcurrentquotaerror"
        | "resourceexhausted"
        | "insufficientbalance"
        | "insufficientcredits"
        | "billinghardlimitreached"
        | "billingerror"
        | "arrearage"
        | "throttling"
        | "throttlingexception"
        | "throttlingratequota"
        | "throttlingallocationquota" => ProviderErrorKind::RateLimit,
        "servererror"
        | "overloadederror"
        | "engineoverloaded"
        | "engineoverloadederror"
        | "serviceunavailable"
        | "serviceunavailableerror"
        | "modeloverloaded"
        | "unavailable"
        | "modelloading" => ProviderErrorKind::Overloaded,
        "timeouterror" | "requesttimeout" | "deadlineexceeded" => ProviderErrorKind::Timeout,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendors_words_for_a_long_prompt_are_recognized() {
        for message in [
            "This model's maximum context length is 8192 tokens, however you sent 9000",
            "Input tokens exceed the configured limit of 1000 tokens. Your messages had 1001",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            "Input is too long for requested model.",
            "The input token count (300) exceeds the maximum number of tokens allowed (200).",
            "the input token count is 300 but model only supports up to 200",
            "This model's maximum prompt length is 100 but the request contains 101 tokens.",
            "Input length 101 exceeds the maximum allowed input length of 100 tokens.",
            "Prompt contains 400 tokens, too large for model with 300 maximum context length",
            "the request exceeds the available context size. try increasing the context size",
            "Request too large for model `x`",
            "too many tokens: total number of tokens in the prompt cannot exceed 4081",
            "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens",
            "prompt token count of 130000 exceeds the limit of 128000",
            "Your request exceeded model token limit: 8192",
            "The decoder prompt (length 5000) is longer than the maximum model length of 4096",
            "Please reduce the length of the messages or completion.",
            "context window exceeds limit (2013)",
            "Number of input tokens is greater than 4096",
        ] {
            assert!(is_too_long(message), "{message}");
        }
    }

    #[test]
    fn limits_of_a_rate_or_of_the_output_are_not_a_long_prompt() {
        for message in [
            "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 8000",
            "Too many tokens, please wait before trying again.",
            "Rate limit reached for input tokens: used 100, limit exceeded",
        ] {
            assert_eq!(kind_of_message(message), Some(ProviderErrorKind::RateLimit), "{message}");
        }
        for message in [
            "max_tokens is too large: 9. This model supports at most 8 completion tokens",
            "max_tokens: 9 > 8, which is the maximum allowed number of output tokens",
            "image exceeds 5 MB maximum",
            "tool name is too long",
            "Invalid token in the prompt template",
        ] {
            assert!(!is_too_long(message), "{message}");
        }
    }

    #[test]
    fn codes_are_recognized_in_every_spelling() {
        use ProviderErrorKind as Kind;
        for (code, kind) in [
            ("context_length_exceeded", Some(Kind::ContextTooLong)),
            ("ContextWindowExceededError", Some(Kind::ContextTooLong)),
            ("InvalidApiKey", Some(Kind::Authentication)),
            ("data_inspection_failed", Some(Kind::ContentFilter)),
            ("DataInspectionFailed", Some(Kind::ContentFilter)),
            ("Throttling.RateQuota", Some(Kind::RateLimit)),
            ("exceeded_current_quota_error", Some(Kind::RateLimit)),
            ("engine_overloaded", Some(Kind::Overloaded)),
            ("model_not_found", Some(Kind::ModelNotFound)),
            ("invalid_request_error", None),
            ("400", None),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }

    #[test]
    fn messages_without_a_code_have_a_kind() {
        use ProviderErrorKind as Kind;
        for (message, kind) in [
            ("You exceeded your current quota, please check your plan", Kind::RateLimit),
            ("Your credit balance is too low to access the API", Kind::RateLimit),
            ("The response was filtered due to the content management policy", Kind::ContentFilter),
            ("Content Exists Risk", Kind::ContentFilter),
            ("login fail: please carry the API key in the header", Kind::Authentication),
            ("Model Not Exist", Kind::ModelNotFound),
            ("acme/x is not a valid model ID", Kind::ModelNotFound),
            ("The engine is currently overloaded", Kind::Overloaded),
        ] {
            assert_eq!(kind_of_message(message), Some(kind), "{message}");
        }
        assert_eq!(kind_of_message("`messages` is required"), None);
    }
}
