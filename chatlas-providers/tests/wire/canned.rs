//! A transport without a network: prepared answers, and the requests that were sent.

use std::sync::{Arc, Mutex};

use chatlas_core::{ChatRequest, CompletionEvent, Provider, ProviderError, Turn};
use chatlas_providers::http::HttpOptions;
use futures_util::StreamExt as _;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A prepared answer.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// Server-sent events with these data.
    pub(crate) fn events<'a>(data: impl IntoIterator<Item = &'a Value>) -> Self {
        let events: String = data.into_iter().map(|data| format!("data: {data}\n\n")).collect();
        Self::new(200, "text/event-stream", events)
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A request that was sent.
pub(crate) struct Sent {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The requests that were sent.
pub(crate) type Requests = Arc<Mutex<Vec<Sent>>>;

/// Returns HTTP settings that answer each request with the next answer, without retries. The last
/// answer is repeated.
pub(crate) fn answering(answers: Vec<Answer>) -> (HttpOptions, Requests) {
    let requests = Requests::default();
    let sent = Arc::clone(&requests);
    let options = HttpOptions::default().with_max_retries(0).with_sender(move |request| {
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let body = serde_json::from_slice(body).unwrap_or_default();
        let (url, headers) = (request.url().to_string(), request.headers().clone());
        let mut sent = sent.lock().expect("no panic");
        let answer = answers[sent.len().min(answers.len() - 1)].clone();
        sent.push(Sent { url, headers, body });
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(*name, value);
        }
        let response = response.body(answer.body).expect("a valid response");
        std::future::ready(Ok::<_, std::io::Error>(reqwest::Response::from(response)))
    });
    (options, requests)
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

pub(crate) fn hi() -> ChatRequest {
    ChatRequest::new([Turn::user("hi")])
}

/// Returns the events of a streamed reply, up to an error.
pub(crate) fn stream(provider: &impl Provider) -> Result<Vec<CompletionEvent>, ProviderError> {
    run(async {
        let mut events = provider.chat_stream(hi()).await?;
        let mut all = Vec::new();
        while let Some(event) = events.next().await {
            all.push(event?);
        }
        Ok(all)
    })
}
