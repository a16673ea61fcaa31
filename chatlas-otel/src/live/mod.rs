//! Serves the page of the HTML report from the running program. Spans are shown as they start and
//! end.

mod address;
mod server;
mod store;

use std::fmt;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use self::server::Server;
use self::store::Store;
use crate::error::SetupError;
use crate::html::record;
use chatlas_core::cost::Prices;

/// The setting that errors name.
const SETTING: &str = "Telemetry::with_live";

/// A span processor that serves a page with the spans.
#[derive(Debug)]
pub(crate) struct Live {
    store: Arc<Store>,
    server: Mutex<Option<Server>>,
    url: Url,
}

/// The URL of the page. It contains the token, which `Debug` omits.
#[derive(Clone)]
pub(crate) struct Url(String);

impl Url {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(…)")
    }
}

impl Live {
    /// Starts the server, and writes the URL of the page to standard error.
    pub(crate) fn start(address: &str, prices: Prices) -> Result<Self, SetupError> {
        let address = address::parse(address)?;
        let store = Arc::new(Store::new(prices));
        let (server, url) = Server::start(address, Arc::clone(&store))?;
        // A closed standard error is no reason to fail.
        let _ = writeln!(std::io::stderr(), "chatlas::otel: live traces: {url}");
        Ok(Self { store, server: Mutex::new(Some(server)), url: Url(url) })
    }

    /// Returns the URL of the page.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }
}

impl SpanProcessor for Live {
    fn on_start(&self, span: &mut Span, _: &Context) {
        if let Some(span) = span.exported_data() {
            self.store.start(&span.span_context, record::started(&span, self.store.prices()));
        }
    }

    fn on_end(&self, span: SpanData) {
        self.store.end(&span.span_context, record::ended(&span, self.store.prices()));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.stop(timeout);
        }
        // The global tracer provider is not dropped at shutdown.
        self.store.clear();
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        let name = resource.get(&"service.name".into());
        self.store.set_service(name.map(|name| name.to_string()).unwrap_or_default());
    }
}
