//! What every program of the matrix does with chatlas, and a server for its own requests.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use chatlas_core::{ChatRequest, Provider as _, ProviderErrorKind, Turn};
use chatlas_providers::openai::OpenAi;

/// Runs a future to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Sends a request to a port that is closed, over TLS or not. The connection has to fail, and
/// nothing before it.
pub async fn use_chatlas(scheme: &str) {
    let url = format!("{scheme}://127.0.0.1:1");
    let model = OpenAi::new("m").with_api_key("k").with_base_url(url);
    let model = model.with_http(chatlas_providers::http::HttpOptions::default().with_max_retries(0));
    let error = model.chat(ChatRequest::new([Turn::user("hi")])).await.expect_err("a closed port");
    assert_eq!(error.kind(), ProviderErrorKind::Connection, "{error}");
}

/// Starts a server that answers one request over plain HTTP. Returns its URL.
pub fn serve() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("a connection");
        let _ = connection.read(&mut [0; 4096]);
        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        connection.write_all(response).expect("a response");
    });
    url
}
