//! What every provider's HTTP has: a client of the program's own, tokens that run out, the trace
//! carried along, and bounds on what is taken in.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, Provider as _, ProviderError, ProviderErrorKind, Turn,
};
use chatlas_providers::http::{BearerToken, HttpOptions};
use chatlas_providers::openai::OpenAi;
use futures_util::StreamExt as _;
use opentelemetry::global;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::json;

/// Remembers the heads of requests, and answers each with what `answer` writes.
struct Server {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

fn serve(answer: impl Fn(u32, &mut TcpStream) -> std::io::Result<()> + Send + 'static) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for (number, connection) in (0..).zip(listener.incoming().flatten()) {
            let mut reader = BufReader::new(connection);
            let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or_default();
                }
                head.push_str(&line);
                line.clear();
            }
            // A client that went away is no failure of the server's.
            let _ = reader.read_exact(&mut vec![0; length]);
            seen.lock().expect("no panic").push(head.to_ascii_lowercase());
            let _ = answer(number, reader.get_mut());
        }
    });
    Server { url, heads }
}

fn write(connection: &mut TcpStream, status: u16, kind: &str, body: &str) -> std::io::Result<()> {
    write!(
        connection,
        "HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn hello() -> String {
    json!({
        "id": "resp_1", "status": "completed", "model": "gpt-4o",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
    })
    .to_string()
}

fn hi() -> ChatRequest {
    ChatRequest::new([Turn::user("hi")])
}

async fn stream(model: &OpenAi) -> Result<Completion, ProviderError> {
    let mut events = model.chat_stream(hi()).await?;
    while let Some(event) = events.next().await {
        if let CompletionEvent::Done(completion) = event? {
            return Ok((*completion).clone());
        }
    }
    panic!("no last event");
}

#[tokio::test]
async fn custom_send_function_sends_the_requests() {
    let server = serve(|_, connection| write(connection, 200, "application/json", &hello()));
    let sent = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&sent);

    let client = reqwest::Client::new();
    let options = HttpOptions::default().with_sender(move |mut request| {
        let (client, count) = (client.clone(), Arc::clone(&count));
        async move {
            // It fails once, as a middleware may: that is tried again.
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err("not now".to_owned().into());
            }
            request.headers_mut().insert("x-middleware", "yes".parse()?);
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(client.execute(request).await?)
        }
    });
    let model =
        OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k").with_http(options);
    assert_eq!(model.chat(hi()).await.expect("an answer").text(), "Hello");
    assert_eq!(sent.load(Ordering::SeqCst), 2);
    assert!(server.heads.lock().expect("no panic")[0].contains("x-middleware: yes"));
}

#[tokio::test]
async fn failure_of_a_custom_client_is_a_typed_error() {
    let options = HttpOptions::default().with_max_retries(0).with_sender(|_| {
        let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "slow");
        std::future::ready(Err(error))
    });
    let model = OpenAi::new("gpt-4o")
        .with_base_url("http://a.example")
        .with_api_key("k")
        .with_http(options);
    let error = model.chat(hi()).await.expect_err("it failed");
    assert_eq!(error.kind(), ProviderErrorKind::Timeout);
    assert_eq!(error.message(), "a.example did not answer in time");
}

#[tokio::test]
async fn rejected_token_is_replaced() {
    let server = serve(|number, connection| match number {
        0 | 2 => write(connection, 200, "application/json", &hello()),
        _ => write(connection, 401, "application/json", r#"{"error": {"message": "token-1?"}}"#),
    });
    let asked = Arc::new(AtomicU32::new(1));
    let model = OpenAi::new("gpt-4o")
        .with_base_url(&server.url)
        .with_api_key("")
        .with_token_provider(move || {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            let token = BearerToken::new(format!("token-{number}"))
                .with_lifetime(Duration::from_secs(3600));
            std::future::ready(Ok::<_, std::io::Error>(token))
        });
    model.chat(hi()).await.expect("an answer");
    let error = model.chat(hi()).await.expect_err("the token is refused");
    assert_eq!(error.kind(), ProviderErrorKind::Authentication);
    assert_eq!(error.message(), "[redacted]?");
    model.chat(hi()).await.expect("an answer to the new one");
    let heads = server.heads.lock().expect("no panic");
    for (head, token) in heads.iter().zip(["token-1", "token-1", "token-2"]) {
        assert!(head.contains(&format!("authorization: bearer {token}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn trace_context_is_sent_only_if_enabled() {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = SdkTracerProvider::builder().build();
    global::set_tracer_provider(provider);
    let server = serve(|_, connection| write(connection, 200, "application/json", &hello()));
    let model = |options| {
        OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k").with_http(options)
    };
    let tracer = global::tracer("test");
    let context = opentelemetry::Context::current_with_span(tracer.start("program"));
    let trace = context.span().span_context().trace_id().to_string();
    let asked = HttpOptions::default().with_propagation(true);
    for options in [HttpOptions::default(), asked.clone(), asked.with_spans(true)] {
        use opentelemetry::trace::FutureExt as _;
        let model = model(options);
        model.chat(hi()).with_context(context.clone()).await.expect("an answer");
    }
    let heads = server.heads.lock().expect("no panic");
    assert!(!heads[0].contains("traceparent"), "{}", heads[0]);
    let parents: Vec<&str> =
        heads[1..].iter().filter_map(|head| head.split("traceparent: ").nth(1)).collect();
    assert_eq!(parents.len(), 2);
    let program = context.span().span_context().span_id().to_string();
    for parent in parents {
        assert!(parent.starts_with(&format!("00-{trace}-")), "{parent}");
        assert!(!parent.contains(&program), "it is the span of the call, not of its caller");
    }
}

#[tokio::test]
async fn every_line_end_of_events_is_accepted() {
    let event = json!({"type": "response.completed",
        "response": serde_json::from_str::<serde_json::Value>(&hello()).expect("JSON")});
    for end in ["\n\n", "\r\n\r\n", "\r\r"] {
        let body = format!(": hello{end}event: x{}data: {event}{end}", &end[..end.len() / 2]);
        let server = serve(move |_, connection| write(connection, 200, "text/event-stream", &body));
        let model = OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k");
        assert_eq!(stream(&model).await.expect("an answer").text(), "Hello", "{end:?}");
    }
}

#[tokio::test]
async fn endless_event_is_rejected() {
    for kind in ["text/event-stream", "application/json"] {
        let server = serve(move |_, connection| {
            write!(
                connection,
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\ndata: \""
            )?;
            let piece = vec![b'x'; 1 << 20];
            loop {
                connection.write_all(&piece)?;
            }
        });
        let model = OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k");
        let error = stream(&model).await.expect_err("it has no end");
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply, "{kind}");
        assert!(error.message().ends_with("a piece of it is longer than 32 MiB"), "{error}");
    }
}

#[tokio::test]
async fn endless_stream_is_rejected() {
    let server = serve(|_, connection| {
        write!(
            connection,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        )?;
        let event =
            format!("data: {{\"type\": \"novelty\", \"pad\": \"{}\"}}\n\n", "x".repeat(8 << 20));
        loop {
            connection.write_all(event.as_bytes())?;
        }
    });
    let model = OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k");
    let error = stream(&model).await.expect_err("they have no end");
    assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    assert!(error.message().ends_with("it is longer than 256 MiB"), "{error}");
}

#[tokio::test]
async fn user_and_password_of_a_url_are_sent_as_a_header() {
    let model = |url: &str| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let options = HttpOptions::default().with_max_retries(0).with_sender(move |request| {
            let header = request.headers().get("authorization").cloned();
            kept.lock().unwrap().push((request.url().to_string(), header));
            std::future::ready(Err::<reqwest::Response, _>("no network"))
        });
        (OpenAi::new("m").with_api_key("").with_base_url(url).with_http(options), seen)
    };
    for (key, header) in [("", "Basic bWU6YSBi"), ("sk-1", "Bearer sk-1")] {
        let (provider, seen) = model("https://me:a%20b@models.example/v1");
        provider.with_api_key(key).chat(hi()).await.unwrap_err();
        let sent = seen.lock().unwrap()[0].clone();
        assert_eq!(sent.0, "https://models.example/v1/responses");
        let value = sent.1.unwrap();
        assert!(value.is_sensitive());
        assert_eq!(value, header);
    }
}

#[tokio::test]
async fn comments_empty_events_and_byte_order_marks_are_accepted() {
    let last = format!("{{\"type\": \"response.completed\", \"response\": {}}}", hello());
    let events = format!(
        "\u{feff}: a comment\r\n\r\ndata:\r\n\r\ndata: \r\nid: 7\r\nretry: 10\r\n\r\n\
         event: ping\r\n\r\nevent: response.completed\r\ndata:{last}\r\n\r\n"
    );
    let server = serve(move |_, connection| write(connection, 200, "text/event-stream", &events));
    let model = OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k");
    assert_eq!(stream(&model).await.expect("an answer").text(), "Hello");
    let marked = format!("\u{feff}\n {}\n", hello());
    let server = serve(move |_, connection| write(connection, 200, "application/json", &marked));
    let model = OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k");
    assert_eq!(model.chat(hi()).await.expect("an answer").text(), "Hello");
}

#[tokio::test]
async fn trailing_data_after_json_is_malformed() {
    let body = format!("{} {{}}", hello());
    let server = serve(move |_, connection| write(connection, 200, "application/json", &body));
    let model = OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k");
    let error = model.chat(hi()).await.expect_err("no JSON");
    assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
}

#[tokio::test]
async fn key_in_the_url_is_redacted_in_every_encoding() {
    for (user, quoted) in [
        ("canary-4e5f@", "canary-4e5f"),
        ("user:canary%2D4e5f@", "canary-4e5f"),
        ("user:canary%2D4e5f@", "canary%2D4e5f"),
    ] {
        let body = json!({"error": {"message": format!("no {quoted}!")}}).to_string();
        let server = serve(move |_, connection| write(connection, 401, "application/json", &body));
        let url = server.url.replacen("http://", &format!("http://{user}"), 1);
        let error = OpenAi::new("gpt-4o").with_base_url(url).with_api_key("").chat(hi()).await;
        assert_eq!(error.expect_err("refused").message(), "no [redacted]!");
    }
}

#[test]
fn ipv6_address_is_recorded_without_brackets() {
    let model = OpenAi::new("gpt-4o").with_base_url("http://[::1]:8080/v1");
    let info = model.info();
    assert_eq!((info.server_address.as_deref(), info.server_port), (Some("::1"), Some(8080)));
}

#[tokio::test]
async fn unrequested_compression_is_named_in_the_error() {
    let server = serve(|_, connection| {
        write(connection, 200, "application/json\r\ncontent-encoding: gzip", "\u{1f}\u{8b}")
    });
    let model = OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key("k");
    for error in [model.chat(hi()).await.expect_err("no answer"), stream(&model).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
        assert!(error.message().contains("compressed by `gzip`"), "{error}");
    }
}

#[tokio::test]
async fn user_and_password_of_a_url_are_redacted() {
    for quoted in ["Basic bWU6YSBiY2Q=", "the password `a bcd`", "me:a%20bcd@host"] {
        let options = HttpOptions::default().with_max_retries(0).with_sender(move |_| {
            let answer = http::Response::builder().status(401).body(quoted).expect("an answer");
            std::future::ready(Ok::<_, String>(reqwest::Response::from(answer)))
        });
        let url = "http://me:a%20bcd@models.example/v1";
        let model = OpenAi::new("m").with_api_key("").with_base_url(url).with_http(options);
        let error = model.chat(hi()).await.unwrap_err();
        assert!(error.message().contains("[redacted]"), "{error}");
        for secret in ["bWU6YSBiY2Q=", "a bcd", "a%20bcd"] {
            assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        }
    }
}

#[tokio::test]
async fn the_body_is_not_copied_for_a_retry() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let options = HttpOptions::default().with_max_retries(1).with_sender(move |request| {
        let body = request.body().and_then(|body| body.as_bytes()).expect("a body");
        seen.lock().expect("no panic").push(body.as_ptr() as usize);
        std::future::ready(Err::<reqwest::Response, _>("connection reset"))
    });
    let model = OpenAi::new("gpt-4o").with_api_key("k").with_http(options);
    model.chat(hi()).await.expect_err("no response");
    let bodies = bodies.lock().expect("no panic");
    assert!(matches!(bodies[..], [first, second] if first == second), "{bodies:?}");
}
