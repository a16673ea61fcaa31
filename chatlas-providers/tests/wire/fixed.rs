//! A server inside the process: every request gets the same response, and is recorded.

use std::sync::{Arc, Mutex};

use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, ModelParams, Provider, ProviderError, Turn,
};
use chatlas_providers::http::HttpOptions;
use futures_util::StreamExt as _;
use serde_json::Value;

/// The bodies of the requests that a server received.
pub type Sent = Arc<Mutex<Vec<Value>>>;

/// Returns HTTP settings whose requests all get this response.
pub fn server(status: u16, content_type: &'static str, body: String) -> (HttpOptions, Sent) {
    let sent = Sent::default();
    let log = Arc::clone(&sent);
    let options = HttpOptions::default().with_max_retries(0).with_sender(move |request| {
        let bytes = request.body().and_then(|body| body.as_bytes()).unwrap_or(b"null");
        log.lock().expect("no panic").push(serde_json::from_slice(bytes).expect("JSON"));
        let response = http::Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(body.clone())
            .expect("a response");
        std::future::ready(Ok::<_, std::io::Error>(response.into()))
    });
    (options, sent)
}

/// Returns HTTP settings whose requests get this complete reply.
pub fn replying(reply: &Value) -> HttpOptions {
    server(200, "application/json", reply.to_string()).0
}

/// Returns HTTP settings whose requests get these server-sent events.
pub fn streaming(events: impl IntoIterator<Item = impl ToString>) -> HttpOptions {
    let events = events.into_iter().map(|event| format!("data: {}\n\n", event.to_string()));
    server(200, "text/event-stream", events.collect()).0
}

/// Runs a future to its end.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Returns a request with one user turn.
pub fn hi() -> ChatRequest {
    ChatRequest::new([Turn::user("hi")])
}

/// Changes the parameters of a request.
pub fn set(request: &mut ChatRequest, change: impl FnOnce(&mut ModelParams)) {
    change(Arc::make_mut(&mut request.params));
}

/// Returns the complete reply of a provider.
pub fn reply(provider: &impl Provider) -> Result<Completion, ProviderError> {
    run(provider.chat(hi()))
}

/// Returns the events of a streamed reply.
pub fn events(provider: &impl Provider) -> Result<Vec<CompletionEvent>, ProviderError> {
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
pub fn done(events: &[CompletionEvent]) -> &Completion {
    match events.last() {
        Some(CompletionEvent::Done(completion)) => completion,
        other => panic!("the last event is {other:?}"),
    }
}
