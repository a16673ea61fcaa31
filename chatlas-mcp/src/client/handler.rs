//! Receives what a server sends by itself: progress, and changes of its tools.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chatlas_core::ToolContext;
use chatlas_core::serde_json::{Map, Value};
use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, Implementation, ProgressNotificationParam, ProgressToken,
    ProtocolVersion,
};
use rmcp::service::{NotificationContext, RoleClient};
use tokio::sync::Notify;

/// The receiver of notifications of one connection.
#[derive(Clone, Default)]
pub(super) struct Handler {
    pub(super) tools_changed: Arc<Notify>,
    pub(super) progress: ProgressReceivers,
}

/// The running calls that receive progress.
#[derive(Clone, Default)]
pub(super) struct ProgressReceivers(Arc<Mutex<HashMap<ProgressToken, ToolContext>>>);

impl ProgressReceivers {
    /// Forwards the progress of a request until the result is dropped.
    pub(super) fn add(&self, token: ProgressToken, context: &ToolContext) -> ProgressReceiver {
        self.lock().insert(token.clone(), context.clone());
        ProgressReceiver { receivers: self.clone(), token }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ProgressToken, ToolContext>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct ProgressReceiver {
    receivers: ProgressReceivers,
    token: ProgressToken,
}

impl Drop for ProgressReceiver {
    fn drop(&mut self) {
        self.receivers.lock().remove(&self.token);
    }
}

impl ClientHandler for Handler {
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.tools_changed.notify_one();
    }

    async fn on_progress(
        &self,
        report: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let context = self.progress.lock().get(&report.progress_token).cloned();
        if let Some(context) = context {
            let mut fields = Map::new();
            fields.insert("progress".into(), report.progress.into());
            fields.extend(report.total.map(|total| ("total".into(), total.into())));
            fields.extend(report.message.map(|message| ("message".into(), message.into())));
            context.progress(Value::Object(fields));
        }
    }

    fn get_info(&self) -> ClientConfig {
        let name = Implementation::new("chatlas", env!("CARGO_PKG_VERSION"));
        let mut config = ClientConfig::new(ClientCapabilities::default(), name);
        // The newest version has no handshake.
        config.protocol_version = ProtocolVersion::LATEST_WITH_INITIALIZE;
        config
    }
}
