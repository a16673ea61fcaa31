use std::sync::Arc;

use chatlas_core::provider::{Protocol, Vendor};
use chatlas_core::{ChatRequest, Completion, Provider, ProviderError, WebSearch};
use chatlas_macros::provider;

#[derive(Clone, Debug)]
struct Wire;

#[derive(Default)]
struct Quirks;

impl Quirks {
    fn with_max_tokens_field(self) -> Self {
        self
    }
}

#[provider(name = "wire")]
impl Provider for Wire {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

impl Protocol for Wire {
    type HttpOptions = ();
    type Quirks = Quirks;

    fn of_vendor(_: &'static Vendor, quirks: Quirks) -> Self {
        quirks.with_max_tokens_field();
        Self
    }

    fn with_model(self, _: impl Into<Arc<str>>) -> Self {
        self
    }

    fn with_api_key(self, _: impl Into<String>) -> Self {
        self
    }

    fn with_base_url(self, _: impl Into<String>) -> Self {
        self
    }

    fn with_http(self, (): ()) -> Self {
        self
    }

    fn with_http_spans(self, _: bool) -> Self {
        self
    }
}

#[provider(
    like = Wire,
    name = "acme",
    base_url = "https://acme.example",
    quirks = Quirks.with_max_token_field(),
)]
struct Acme;

#[provider(like = Wire, name = "local", base_url = "http://localhost", quirks = "none")]
struct Local;

#[provider(like = Wire, name = "groq", base_url = "https://groq.example", tools(WebSearch))]
struct Groq;

fn main() {}
