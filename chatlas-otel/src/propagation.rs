//! Traces that continue from or in another program: `OTEL_PROPAGATORS` and HTTP headers.

use std::collections::HashMap;

use opentelemetry::propagation::{Extractor, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::{Context, global};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use reqwest::header::HeaderMap;

use crate::env::Env;
use crate::error::SetupError;

/// Returns the propagator selected by the environment. Default: trace context and baggage.
pub(crate) fn propagator(env: Env<'_>) -> Result<TextMapCompositePropagator, SetupError> {
    let setting = "OTEL_PROPAGATORS";
    let list = env.name(setting).unwrap_or_else(|| "tracecontext,baggage".to_owned());
    let mut propagators: Vec<Box<dyn TextMapPropagator + Send + Sync>> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "tracecontext" => propagators.push(Box::new(TraceContextPropagator::new())),
            "baggage" => propagators.push(Box::new(BaggagePropagator::new())),
            "none" => {}
            _ => {
                return Err(SetupError::InvalidValue {
                    setting: setting.to_owned(),
                    expected: "a list of `tracecontext` and `baggage`, or `none`",
                });
            }
        }
    }
    Ok(TextMapCompositePropagator::new(propagators))
}

/// Returns the trace context of the caller, extracted from HTTP headers by the global propagator.
///
/// Spans that start in this context continue the caller's trace. Returns the current context if the
/// headers contain no trace context.
///
/// ```
/// use chatlas::prelude::*;
/// use opentelemetry::trace::FutureExt as _;
///
/// # type Error = Box<dyn std::error::Error>;
/// # async fn handle(mut chat: Chat, headers: &http::HeaderMap, prompt: &str) -> Result<String, Error> {
/// let caller = chatlas::otel::context_from_headers(headers);
/// let reply = async { chat.chat(prompt).await }.with_context(caller).await?;
/// # Ok(reply.to_string())
/// # }
/// ```
pub fn context_from_headers(headers: &HeaderMap) -> Context {
    global::get_text_map_propagator(|propagator| propagator.extract(&Headers::new(headers)))
}

/// The values of each header. Several values are one list, as HTTP defines it: a proxy may add a
/// second `baggage` or `tracestate`.
struct Headers<'a>(HashMap<&'a str, String>);

impl<'a> Headers<'a> {
    fn new(headers: &'a HeaderMap) -> Self {
        let mut all: HashMap<&str, String> = HashMap::new();
        for (name, value) in headers {
            let Ok(value) = value.to_str() else { continue };
            let list = all.entry(name.as_str()).or_default();
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(value);
        }
        Self(all)
    }
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key.to_ascii_lowercase().as_str()).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::baggage::BaggageExt as _;
    use opentelemetry::trace::TraceContextExt as _;

    use crate::env::tests::lookup;

    use super::*;

    #[test]
    fn propagators_are_a_list_and_unknown_names_are_errors() {
        let mut headers = HeaderMap::new();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert("traceparent", parent.parse().unwrap());
        headers.insert("baggage", "user=ann".parse().unwrap());
        let read = |list: &str| {
            let propagator = propagator(Env::new(&lookup(&[("OTEL_PROPAGATORS", list)]))).unwrap();
            let context = propagator.extract_with_context(&Context::new(), &Headers::new(&headers));
            let user = context.baggage().get("user").map(ToString::to_string);
            (context.span().span_context().is_remote(), user)
        };
        assert_eq!(read(""), (true, Some("ann".to_owned())));
        assert_eq!(read("TraceContext"), (true, None));
        assert_eq!(read(" baggage "), (false, Some("ann".to_owned())));
        assert_eq!(read("none"), (false, None));
        let error = propagator(Env::new(&lookup(&[("OTEL_PROPAGATORS", "b3")]))).err().unwrap();
        assert!(error.to_string().starts_with("OTEL_PROPAGATORS must be"), "{error}");
    }

    /// <https://github.com/open-telemetry/opentelemetry-go/issues/6154>
    #[test]
    fn several_headers_of_one_name_are_one_list() {
        let mut headers = HeaderMap::new();
        for value in ["user=ann", "team=a,plan=b"] {
            headers.append("baggage", value.parse().unwrap());
        }
        let propagator = BaggagePropagator::new();
        let context = propagator.extract_with_context(&Context::new(), &Headers::new(&headers));
        let get = |key: &str| context.baggage().get(key).map(ToString::to_string);
        let found = ["user", "team", "plan"].map(|key| get(key).unwrap_or_default());
        assert_eq!(found, ["ann", "a", "b"]);
    }
}
