//! The servers of the soak: the models, and a receiver of OTLP over HTTP that refuses and hangs.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

/// The path that returns the number of received spans.
const COUNT: &str = "/count";

/// Prints the ports of the models and of the receiver, and serves until the process ends.
pub fn serve() -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let models = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = TcpListener::bind("127.0.0.1:0").await?;
        println!("{} {}", models.local_addr()?.port(), receiver.local_addr()?.port());
        tokio::spawn(speed_server::run(models));
        let received = Arc::new(AtomicU64::new(0));
        loop {
            let (socket, _) = receiver.accept().await?;
            tokio::spawn(receive(socket, Arc::clone(&received)));
        }
    })
}

/// Answers the exports of a connection: one in eight is refused for good, one is refused for now, one
/// hangs beyond the timeout of the exporter, and one is cut off.
async fn receive(mut socket: TcpStream, received: Arc<AtomicU64>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let (path, body) = speed_server::read_request(&mut socket, &mut buffer).await?;
        if path == COUNT {
            return answer(&mut socket, "200 OK", &received.load(Ordering::Relaxed).to_string())
                .await;
        }
        match fastrand::u8(..8) {
            0 => answer(&mut socket, "400 Bad Request", "").await?,
            1 => answer(&mut socket, "503 Service Unavailable", "").await?,
            2 => {
                tokio::time::sleep(Duration::from_secs(4)).await;
                return None;
            }
            3 => return None,
            _ => {
                let request = ExportTraceServiceRequest::decode(&*body).ok()?;
                let scopes =
                    request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
                let spans = scopes.map(|scope| scope.spans.len() as u64).sum();
                received.fetch_add(spans, Ordering::Relaxed);
                answer(&mut socket, "200 OK", "").await?;
            }
        }
    }
}

async fn answer(socket: &mut TcpStream, status: &str, body: &str) -> Option<()> {
    let length = body.len();
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
    socket.write_all(response.as_bytes()).await.ok()
}

/// Returns the number of spans that the receiver has accepted.
pub fn received(url: &str) -> Result<u64, Box<dyn Error>> {
    let address = url.trim_start_matches("http://");
    let mut socket = std::net::TcpStream::connect(address)?;
    write!(socket, "GET {COUNT} HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
    let mut response = String::new();
    socket.read_to_string(&mut response)?;
    Ok(response.rsplit("\r\n").next().unwrap_or_default().parse()?)
}
