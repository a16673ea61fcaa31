//! A server inside the process: every request gets the same response, and is recorded.

use std::sync::{Arc, Mutex};

use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, ModelParams, Provider, ProviderError, Turn,
};
use chatlas_providers::http::HttpOptions;
use futures_util::StreamExt as _;
use serde_json::Value;

/// A request that a server received.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) body: Value,
}

/// The requests that a server received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<Mutex<Vec<Request>>>);

impl Sent {
    /// Returns the requests in order.
    pub(crate) fn all(&self) -> Vec<Request> {
        self.0.lock().expect("no panic").clone()
    }

    /// Returns the body of the only request.
    pub(crate) fn body(&self) -> Value {
        let requests = self.all();
        let [request] = requests.as_slice() else { panic!("{requests:?}") };
        request.body.clone()
    }
}

/// Returns HTTP settings whose requests all get this response.
pub(crate) fn server(
    status: u16,
    content_type: &'static str,
    reply: String,
) -> (HttpOptions, Sent) {
    server_with(status, content_type, move |_| reply.clone())
}

/// Returns HTTP settings whose requests get the response with that number.
pub(crate) fn server_with(
    status: u16,
    content_type: &'static str,
    reply: impl Fn(usize) -> String + Send + Sync + 'static,
) -> (HttpOptions, Sent) {
    let sent = Sent::default();
    let log = sent.clone();
    let options = HttpOptions::default().with_max_retries(0).with_sender(move |request| {
        let bytes = request.body().and_then(|body| body.as_bytes()).unwrap_or(b"null");
        let body = serde_json::from_slice(bytes).expect("JSON");
        let url = request.url().to_string();
        let mut requests = log.0.lock().expect("no panic");
        requests.push(Request { url, body });
        let response = http::Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(reply(requests.len()))
            .expect("a response");
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
    let events = events.into_iter().map(|event| format!("data: {}\n\n", event.to_string()));
    server(200, "text/event-stream", events.collect()).0
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
pub(crate) fn partial(provider: &impl Provider, events: usize) -> Option<Completion> {
    run(async {
        let mut stream = provider.chat_stream(hi()).await.expect("a stream");
        for _ in 0..events {
            stream.next().await.expect("an event").expect("a success");
        }
        stream.take_partial()
    })
}
