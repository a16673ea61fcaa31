//! `chatlas::otel` against receivers: protocols, TLS, runtimes, limits, and what is lost.

#[path = "support/otlp.rs"]
mod otlp;
#[cfg(feature = "otel-grpc")]
#[path = "support/otlp_grpc.rs"]
mod otlp_grpc;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatlas::otel::sdk::trace::Sampler;
use chatlas::otel::{Otlp, Protocol, SetupError, Signal, Telemetry};
use chatlas::telemetry::Capture;
use opentelemetry::global;
use opentelemetry::trace::{Span as _, Tracer as _};
use otlp::{Payload, Receiver, attribute};
use serde_json::Value;

/// One after the other: there is one global SDK.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn span(name: &'static str) {
    global::tracer("test").start(name).end();
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

#[test]
fn protobuf_json_and_gzip_say_the_same() {
    let _turn = turn();
    for (protocol, gzip, kind) in [
        (Protocol::HttpProtobuf, false, "application/x-protobuf"),
        (Protocol::HttpProtobuf, true, "application/x-protobuf"),
        (Protocol::HttpJson, false, "application/json"),
        (Protocol::HttpJson, true, "application/json"),
    ] {
        let receiver = Receiver::start();
        let target = Otlp::new(receiver.url()).with_protocol(protocol).with_header("x-team", "a b");
        let target = target.with_gzip(gzip);
        let telemetry = Telemetry::new()
            .with_service_name("travel")
            .with_resource_attribute("deployment.environment.name", "test")
            .with_otlp(target)
            .install()
            .unwrap();
        let mut work = global::tracer("test").start("work");
        work.set_attribute(opentelemetry::KeyValue::new("long", "x".repeat(2_000)));
        drop(work);
        global::meter("test").u64_counter("calls").build().add(3, &[]);
        telemetry.shutdown().unwrap();

        let traces = receiver.wait_for("/v1/traces");
        assert_eq!(traces.header("content-type"), Some(kind));
        assert_eq!(traces.header("content-encoding"), gzip.then_some("gzip"));
        assert_eq!(traces.bytes < 1_500, gzip, "{}", traces.bytes);
        assert_eq!(traces.header("x-team"), Some("a b"));
        assert_eq!(traces.resource("service.name").as_deref(), Some("travel"));
        assert_eq!(traces.resource("deployment.environment.name").as_deref(), Some("test"));
        let spans = traces.spans();
        assert_eq!(spans[0].name, "work");
        assert_eq!(attribute(&spans[0].attributes, "long").unwrap().len(), 2_000);
        let Payload::Metrics(metrics) = receiver.wait_for("/v1/metrics").payload else { panic!() };
        let metric = &metrics.resource_metrics[0].scope_metrics[0].metrics[0];
        assert_eq!(metric.name, "calls");
    }
}

#[test]
fn a_span_arrives_from_any_runtime_and_from_none() {
    let _turn = turn();
    let work = || {
        let receiver = Receiver::start();
        let telemetry = Telemetry::new().with_otlp(Otlp::new(receiver.url())).install().unwrap();
        span("work");
        assert_eq!(telemetry.flush(), Ok(()));
        span("more");
        assert_eq!(telemetry.shutdown(), Ok(()));
        let names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["work", "more"]);
    };
    work();
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    one.block_on(async { work() });
    let many = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    many.block_on(async { tokio::spawn(async move { work() }).await }).unwrap();
}

#[test]
fn telemetry_is_set_up_once_and_again_after_its_end() {
    let _turn = turn();
    let first = Telemetry::new().with_console().with_writer(std::io::sink()).install().unwrap();
    let report = std::env::temp_dir().join(format!("chatlas-otel-{}.html", std::process::id()));
    std::fs::write(&report, "the report of the first").unwrap();
    let second = Telemetry::new().with_html(&report).install();
    assert!(matches!(second, Err(SetupError::AlreadyInstalled)));
    let kept = std::fs::read_to_string(&report).unwrap();
    assert_eq!(kept, "the report of the first", "a telemetry that is refused opens no file");
    std::fs::remove_file(report).unwrap();
    assert!(first.tracer_provider().is_some(), "the first goes on");
    first.shutdown().unwrap();
    Telemetry::new()
        .with_console()
        .with_writer(std::io::sink())
        .install()
        .unwrap()
        .shutdown()
        .unwrap();
}

#[test]
fn what_a_receiver_refuses_is_told() {
    let _turn = turn();
    let response = r#"{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}"#;
    let receiver = Receiver::answering("200 OK", "application/json", response);
    let target =
        Otlp::new(receiver.url()).with_protocol(Protocol::HttpJson).with_signals(&[Signal::Traces]);
    let telemetry = Telemetry::new().with_otlp(target).install().unwrap();
    for _ in 0..3 {
        span("work");
    }
    let lost = telemetry.shutdown().unwrap_err();
    assert_eq!(lost.spans, 2);
    let address = &receiver.address;
    let expected =
        format!("2 spans could not be sent to {address}: the receiver rejected them: too old");
    assert_eq!(lost.reason, expected);
}

#[test]
fn spans_beyond_the_queue_are_counted() {
    let _turn = turn();
    // The receiver is a port without a server, so that the queue fills.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let target = Otlp::new(url).with_signals(&[Signal::Traces]);
    let telemetry = Telemetry::new()
        .with_otlp(target)
        .with_shutdown_timeout(Duration::from_millis(300))
        .install()
        .unwrap();
    for _ in 0..5_000 {
        span("work");
    }
    let lost = telemetry.shutdown().unwrap_err();
    assert_eq!(lost.spans, 5_000);
}

#[test]
fn a_sampler_and_a_limit_in_code_hold() {
    let _turn = turn();
    let receiver = Receiver::start();
    let telemetry = Telemetry::new()
        .with_sampler(Sampler::AlwaysOff)
        .with_otlp(Otlp::new(receiver.url()))
        .install()
        .unwrap();
    span("unseen");
    telemetry.shutdown().unwrap();
    assert!(receiver.spans().is_empty());

    let telemetry = Telemetry::new()
        .with_value_length_limit(10)
        .with_otlp(Otlp::new(receiver.url()))
        .install()
        .unwrap();
    let mut work = global::tracer("test").start("work");
    work.set_attribute(opentelemetry::KeyValue::new("text", "ä".repeat(12)));
    drop(work);
    telemetry.shutdown().unwrap();
    let text = attribute(&receiver.spans()[0].attributes, "text").unwrap();
    assert_eq!(text, "ä".repeat(10), "the limit is in characters");
}

#[test]
fn a_file_holds_otlp_in_lines() {
    let _turn = turn();
    let file = scratch("otlp.jsonl");
    for name in ["first", "second"] {
        let telemetry =
            Telemetry::new().with_service_name("travel").with_file(&file).install().unwrap();
        span(name);
        global::meter("test").u64_counter("calls").build().add(3, &[]);
        telemetry.shutdown().unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let spans: Vec<_> = lines.iter().filter_map(|line| line["resourceSpans"].get(0)).collect();
    assert_eq!(spans.len(), 2, "a file is appended to: {text}");
    let span = &spans[1]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], "second");
    assert_eq!(span["traceId"].as_str().unwrap().len(), 32, "hexadecimal, as OTLP's JSON has it");
    assert!(span["startTimeUnixNano"].is_string());
    assert!(lines.iter().any(|line| !line["resourceMetrics"].is_null()), "{text}");
    std::fs::remove_file(&file).unwrap();
    let error = Telemetry::new().with_file("/no/such/directory/x.jsonl").install().unwrap_err();
    assert!(error.to_string().starts_with("Telemetry::with_file: /no/such/directory/x.jsonl: "));
}

#[test]
fn capture_and_a_callers_trace_are_the_programs_choice() {
    use chatlas::testing::Script;
    use opentelemetry::trace::FutureExt as _;

    let _turn = turn();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let receiver = Receiver::start();
    let telemetry = Telemetry::new()
        .with_capture(Capture::Spans)
        .with_otlp(Otlp::new(receiver.url()))
        .install()
        .unwrap();
    let mut headers = http::HeaderMap::new();
    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    headers.insert("traceparent", caller.parse().unwrap());
    let mut chat = chatlas::Chat::new(Script::new().says("Pack a jacket."));
    let caller = chatlas::otel::context_from_headers(&headers);
    runtime
        .block_on(async { chat.chat("What should I pack?").await }.with_context(caller))
        .unwrap();
    telemetry.shutdown().unwrap();

    let spans = receiver.spans();
    let agent = spans.iter().find(|span| span.name.starts_with("invoke_agent")).unwrap();
    assert_eq!(hex(&agent.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&agent.parent_span_id), "b7ad6b7169203331");
    let call = spans.iter().find(|span| span.name.starts_with("chat")).unwrap();
    let messages = attribute(&call.attributes, "gen_ai.input.messages").unwrap();
    assert!(messages.contains("What should I pack?"), "{messages}");

    // The next one does as the environment says again: nothing.
    let receiver = Receiver::start();
    let telemetry = Telemetry::new().with_otlp(Otlp::new(receiver.url())).install().unwrap();
    let mut chat = chatlas::Chat::new(Script::new().says("Pack a jacket."));
    runtime.block_on(chat.chat("What should I pack?")).unwrap();
    telemetry.shutdown().unwrap();
    for span in receiver.spans() {
        assert_eq!(attribute(&span.attributes, "gen_ai.input.messages"), None);
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A certificate authority, a server's certificate and a client's, as files.
#[cfg(any(feature = "rustls", feature = "rustls-ring"))]
mod tls {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::RootCertStore;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::server::WebPkiClientVerifier;

    use super::*;

    pub(super) struct Files {
        pub(super) trusted: PathBuf,
        pub(super) certificate: PathBuf,
        pub(super) key: PathBuf,
        pub(super) server: Arc<rustls::ServerConfig>,
        /// The server's certificate and key, for one that speaks gRPC.
        #[cfg_attr(not(feature = "otel-grpc"), allow(dead_code))]
        pub(super) server_pem: (String, String),
    }

    pub(super) fn files() -> Files {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::from_params(&params, &key);
        let signed = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, server_key) = signed("localhost");
        let (client, client_key) = signed("client");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&ring));
        let config = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![server.der().clone()],
                PrivateKeyDer::try_from(server_key.serialize_der()).unwrap(),
            )
            .unwrap();
        let written = |name: &str, text: String| {
            let file = scratch(&format!("{:?}-{name}", std::thread::current().id()));
            std::fs::write(&file, text).unwrap();
            file
        };
        Files {
            trusted: written("ca.pem", authority.pem()),
            certificate: written("client.pem", client.pem()),
            key: written("client.key", client_key.serialize_pem()),
            server: Arc::new(config),
            server_pem: (server.pem(), server_key.serialize_pem()),
        }
    }

    #[test]
    fn certificates_of_ones_own_are_trusted_and_shown() {
        let _turn = turn();
        let files = files();
        let receiver = Receiver::over_tls(Arc::clone(&files.server));
        let port = receiver.address.split(':').nth(1).unwrap().to_owned();
        let to = || Otlp::new(format!("https://localhost:{port}")).with_signals(&[Signal::Traces]);
        let install = |target| Telemetry::new().with_otlp(target).install();

        let known = to()
            .with_certificate(&files.trusted)
            .with_client_certificate(&files.certificate, &files.key);
        let telemetry = install(known).unwrap();
        span("work");
        telemetry.shutdown().unwrap();
        assert_eq!(receiver.wait_for("/v1/traces").spans()[0].name, "work");

        // A server whose certificate is not trusted, and a client without a certificate.
        for stranger in [to(), to().with_certificate(&files.trusted)] {
            let telemetry = install(stranger).unwrap();
            span("work");
            assert_eq!(telemetry.shutdown().unwrap_err().spans, 1);
        }
        assert_eq!(receiver.spans().len(), 1);

        let missing = install(to().with_certificate("/no/such/ca.pem")).unwrap_err().to_string();
        assert!(missing.starts_with("Otlp::with_certificate: /no/such/ca.pem: "), "{missing}");
        let no_certificate = install(to().with_certificate(&files.key)).unwrap_err().to_string();
        assert!(
            no_certificate.ends_with("the file contains no PEM certificate"),
            "{no_certificate}"
        );
        let swapped = to().with_client_certificate(&files.key, &files.certificate);
        assert!(install(swapped).is_ok(), "their order in one file does not matter");
    }
}

/// A receiver that speaks gRPC.
#[cfg(feature = "otel-grpc")]
mod grpc {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
    use tonic::transport::Server;

    use super::otlp_grpc::GrpcReceiver;
    use super::*;

    /// Starts a receiver that accepts every request.
    fn start(server: Server) -> GrpcReceiver {
        GrpcReceiver::start(server, |_| Ok(ExportTraceServiceResponse::default()))
    }

    #[test]
    fn grpc_carries_headers_and_works_in_any_runtime() {
        let _turn = turn();
        let receiver = start(Server::builder());
        let address = receiver.address;
        let work = move || {
            let target = Otlp::new(format!("http://{address}"))
                .with_protocol(Protocol::Grpc)
                .with_header("x-team", "travel")
                .with_timeout(Duration::ZERO) // no limit
                .with_gzip(true)
                .with_signals(&[Signal::Traces]);
            let telemetry =
                Telemetry::new().with_service_name("travel").with_otlp(target).install().unwrap();
            span("work");
            assert_eq!(telemetry.shutdown(), Ok(()));
        };
        work();
        let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async { work() });
        let many = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        many.block_on(async { tokio::spawn(async move { work() }).await }).unwrap();
        let kept = receiver.kept();
        assert_eq!(kept.len(), 3);
        for (metadata, request) in &kept {
            assert_eq!(metadata.get("x-team").unwrap(), "travel");
            assert_eq!(metadata.get("grpc-encoding").unwrap(), "gzip");
            let scope = &request.resource_spans[0].scope_spans[0];
            assert_eq!(scope.spans[0].name, "work");
        }
    }

    #[cfg(any(feature = "rustls", feature = "rustls-ring"))]
    #[test]
    fn grpc_over_tls_trusts_and_shows_certificates() {
        use tonic::transport::{Certificate, Identity, ServerTlsConfig};

        let _turn = turn();
        // The server of tonic requires a default provider if a build includes ring and aws-lc.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let files = tls::files();
        let (certificate, key) = &files.server_pem;
        let config = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate, key))
            .client_ca_root(Certificate::from_pem(std::fs::read(&files.trusted).unwrap()));
        let receiver = start(Server::builder().tls_config(config).unwrap());
        let target = Otlp::new(format!("https://localhost:{}", receiver.address.port()))
            .with_protocol(Protocol::Grpc)
            .with_certificate(&files.trusted)
            .with_client_certificate(&files.certificate, &files.key)
            .with_signals(&[Signal::Traces]);
        let telemetry = Telemetry::new().with_otlp(target).install().unwrap();
        span("work");
        assert_eq!(telemetry.shutdown(), Ok(()));
        assert_eq!(receiver.kept().len(), 1);
    }

    #[test]
    fn grpc_that_reaches_nobody_is_told() {
        let _turn = turn();
        let target = Otlp::new("http://127.0.0.1:9").with_protocol(Protocol::Grpc);
        let target = target.with_timeout(Duration::from_secs(1)).with_signals(&[Signal::Traces]);
        let telemetry = Telemetry::new().with_otlp(target).install().unwrap();
        span("work");
        let lost = telemetry.shutdown().unwrap_err();
        assert_eq!(lost.spans, 1);
        assert!(lost.reason.starts_with("1 span could not be sent to 127.0.0.1:9: "), "{lost}");
    }
}
