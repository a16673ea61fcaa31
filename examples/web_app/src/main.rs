//! Sets up telemetry and starts the server.
//!
//!     cargo run -p chatlas-web-app      # then open http://127.0.0.1:3000
//!
//! `PORT` selects another port. Set `CHATLAS_CHAT_PROVIDER_MODEL` to select a model, `openai/gpt-4o` for example. By default, the
//! example uses a scripted model. Set `OTEL_EXPORTER_OTLP_ENDPOINT` to export the telemetry over OTLP.
//! By default, each trace is drawn in the terminal.

use std::error::Error;

use chatlas_web_app::{app, telemetry};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = telemetry::init()?;
    let port = std::env::var("PORT").ok().map_or(Ok(3000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    let served = axum::serve(listener, app::router(app::App::new()?))
        // SIGTERM or Ctrl-C: the requests in progress are finished, then their telemetry is exported.
        .with_graceful_shutdown(chatlas::otel::shutdown_signal())
        .await;
    telemetry.shutdown()?;
    Ok(served?)
}
