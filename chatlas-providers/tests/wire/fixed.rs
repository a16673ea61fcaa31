//! A server inside the process: it records each request and sends prepared responses.

use std::sync::{Arc, Mutex};

use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, ModelParams, Provider, ProviderError, Turn,
};
use chatlas_providers::http::HttpOptions;
use futures_util::StreamExt as _;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response of a server.
#[derive(Clone, Debug)]
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

    /// Creates a response of server-sent events.
    pub(crate) fn events(events: impl IntoIterator<Item = impl ToString>) -> Self {
        let events = events.into_iter().map(|event| format!("data: {}\n\n", event.to_string()));
        Self::new(200, "text/event-stream", events.collect::<String>())
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A request that a server received.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The requests that a server received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<Mutex<Vec<Request>>>);

impl Sent {
    /// Returns the requests in order.
    pub(crate) fn all(&self) -> Vec<Request> {
        self.0.lock().expect("no panic").clone()
    }

    /// Returns the only request.
    pub(crate) fn request(&self) -> Request {
        let requests = self.all();
        let [request] = requests.as_slice() else { panic!("{requests:?}") };
        request.clone()
    }

    /// Returns the body of the only request.
    pub(crate) fn body(&self) -> Value {
        self.request().body
    }
}

/// Returns HTTP settings whose requests all get this response.
pub(crate) fn server(
    status: u16,
    content_type: &'static str,
    reply: String,
) -> (HttpOptions, Sent) {
    answering([Answer::new(status, content_type, reply)])
}

/// Returns HTTP settings whose requests get these responses in order, without retries. The last
/// response is repeated.
pub(crate) fn answering(answers: impl Into<Vec<Answer>>) -> (HttpOptions, Sent) {
    let (answers, sent) = (answers.into(), Sent::default());
    let log = sent.clone();
    let options = HttpOptions::default().with_max_retries(0).with_sender(move |request| {
        let bytes = request.body().and_then(|body| body.as_bytes()).unwrap_or(b"null");
        let body = serde_json::from_slice(bytes).expect("JSON");
        let (url, headers) = (request.url().to_string(), request.headers().clone());
        let mut log = log.0.lock().expect("no panic");
        let answer = answers[log.len().min(answers.len() - 1)].clone();
        log.push(Request { url, headers, body });
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(*name, value);
        }
        let response = response.body(answer.body).expect("a response");
        std::future::ready(Ok::<_, std::io::Error>(response.into()))
    });
    (options, sent)
}

/// Returns HTTP settings whose requests get this complete reply.
pub(crate) fn replying(reply: &Value) -> HttpOptions {
    server(200, "application/json", reply.to_string()).0
}

/// Returns HTTP settings whose requests get these server-sent events.
pub(crate) fn streaming(events: impl IntoIterator<Item = impl ToString>) -> HttpOptions {
    answering([Answer::events(events)]).0
}

/// Runs a future to its end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Returns a request with one user turn.
pub(crate) fn hi() -> ChatRequest {
    ChatRequest::new([Turn::user("hi")])
}

/// Changes the parameters of a request.
pub(crate) fn set(request: &mut ChatRequest, change: impl FnOnce(&mut ModelParams)) {
    change(Arc::make_mut(&mut request.params));
}

/// Returns the complete reply of a provider.
pub(crate) fn reply(provider: &impl Provider) -> Result<Completion, ProviderError> {
    run(provider.chat(hi()))
}

/// Returns the events of a streamed reply.
pub(crate) fn events(provider: &impl Provider) -> Result<Vec<CompletionEvent>, ProviderError> {
    run(async {
        let mut stream = provider.chat_stream(hi()).await?;
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            events.push(event?);
        }
        Ok(events)
    })
}

/// Returns the last event of a streamed reply, which is the complete reply.
pub(crate) fn done(events: &[CompletionEvent]) -> &Completion {
    match events.last() {
        Some(CompletionEvent::Done(completion)) => completion,
        other => panic!("the last event is {other:?}"),
    }
}

/// Returns the partial reply of a stream of which only the first events are taken.
#[cfg_attr(not(feature = "google"), allow(dead_code))]
pub(crate) fn partial(provider: &impl Provider, events: usize) -> Option<Completion> {
    run(async {
        let mut stream = provider.chat_stream(hi()).await.expect("a stream");
        for _ in 0..events {
            stream.next().await.expect("an event").expect("a success");
        }
        stream.take_partial()
    })
}
