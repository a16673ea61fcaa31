//! The runtime of the exporters: a separate thread, on which nothing is traced.

use std::sync::Arc;

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle};

use crate::error::SetupError;

/// A runtime that is created when an exporter needs it.
#[derive(Clone, Debug, Default)]
pub(super) struct Runtime(Option<Arc<Owned>>);

/// A runtime that stops when it is dropped.
#[derive(Debug)]
struct Owned(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// Returns a handle of the runtime.
    pub(super) fn handle(&mut self) -> Result<Handle, SetupError> {
        if let Some(runtime) = self.0.as_ref().and_then(|owned| owned.0.as_ref()) {
            return Ok(runtime.handle().clone());
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("chatlas-otel")
            .on_thread_start(suppress_telemetry)
            .enable_all()
            .build()
            .map_err(SetupError::exporter)?;
        let handle = runtime.handle().clone();
        self.0 = Some(Arc::new(Owned(Some(runtime))));
        Ok(handle)
    }
}

/// Suppresses telemetry until the thread ends. The clients of HTTP and gRPC are instrumented with
/// `tracing`: without this, the spans of an export would cause another export.
fn suppress_telemetry() {
    std::mem::forget(Context::enter_telemetry_suppressed_scope());
    // The client of gRPC starts spans without a parent, which do not inherit the suppression.
    #[cfg(feature = "otel-grpc")]
    std::mem::forget(tracing_core::dispatcher::set_default(&tracing_core::Dispatch::none()));
}

impl Drop for Owned {
    fn drop(&mut self) {
        // The guard may be dropped inside a runtime of the program, where blocking would panic.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
