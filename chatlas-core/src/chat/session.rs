//! Saves, restores and exports a conversation.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::chat::Chat;
use super::exchange::usage;
use super::record::Record;
use crate::provider::Provider;
use crate::session::{ExportOptions, Session, SessionError, SessionStore};
use crate::tool::ToolSet;

/// Sessions.
impl Chat {
    /// Returns the conversation as data, to store it.
    pub fn session(&self) -> Session {
        let info = self.provider.info();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let mut session = Session::new();
        session.id = self.conversation_id.as_deref().map(str::to_owned);
        session.revision = self.record.revision;
        session.title.clone_from(&self.record.title);
        session.created = self.record.created.unwrap_or(now);
        session.updated = now;
        session.provider = info.name.clone().into_owned();
        session.model = info.model.as_deref().map(str::to_owned);
        session.system_prompt = self.system_prompt.as_deref().map(str::to_owned);
        session.tools = self.tools.iter().map(|tool| tool.definition().name.to_string()).collect();
        session.params = (*self.params).clone();
        session.turns.clone_from(&self.turns);
        session.usage = usage(&self.turns);
        session.removed_usage = self.record.removed_usage;
        session.compacted = self.record.compacted;
        session.other.clone_from(&self.record.other);
        session
    }

    /// Continues a stored conversation. The provider may differ from that of the session: items that
    /// only another vendor understands are not sent.
    ///
    /// # Errors
    ///
    /// [`SessionError::MissingTools`] if `tools` does not have all tools of the session.
    pub fn from_session(
        session: Session,
        provider: impl Provider,
        tools: ToolSet,
    ) -> Result<Self, SessionError> {
        let mut chat = Self::new(provider).with_tools(tools);
        chat.restore(session)?;
        Ok(chat)
    }

    /// Replaces the conversation, the system prompt and the parameters by those of a session. The
    /// provider, the tools and the other settings are kept.
    ///
    /// # Errors
    ///
    /// [`SessionError::MissingTools`] if the chat does not have all tools of the session. The chat is
    /// then unchanged.
    pub fn restore(&mut self, session: Session) -> Result<(), SessionError> {
        let is_missing = |name: &&String| self.tools.get(name).is_none();
        let names: Vec<String> = session.tools.iter().filter(is_missing).cloned().collect();
        if !names.is_empty() {
            return Err(SessionError::MissingTools { names });
        }
        self.record = Arc::new(Record {
            title: session.title,
            created: Some(session.created),
            revision: session.revision,
            removed_usage: session.removed_usage,
            compacted: session.compacted,
            other: session.other,
        });
        self.conversation_id = session.id.map(Into::into);
        self.system_prompt = session.system_prompt.map(Into::into);
        self.params = Arc::new(session.params);
        self.save_error = None;
        self.set_turns(session.turns);
        Ok(())
    }

    /// Returns the title of the conversation.
    pub fn title(&self) -> Option<&str> {
        self.record.title.as_deref()
    }

    /// Sets or, with `None`, removes the title of the conversation, for lists of sessions and for
    /// exports.
    pub fn set_title(&mut self, title: Option<impl Into<String>>) {
        Arc::make_mut(&mut self.record).title = title.map(Into::into);
    }

    /// Sets the title of the conversation, for lists of sessions and for exports.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.set_title(Some(title));
        self
    }
}

/// Stores.
impl Chat {
    /// Saves the conversation.
    ///
    /// # Errors
    ///
    /// [`SessionError::MissingId`] if the chat has no conversation id, [`SessionError::Conflict`] if
    /// another writer has saved the conversation since this chat loaded or saved it, and the errors of
    /// the store.
    pub async fn save(&mut self, store: &(impl SessionStore + ?Sized)) -> Result<(), SessionError> {
        let session = self.session();
        let created = session.created;
        let revision = store.save(session).await?;
        let record = Arc::make_mut(&mut self.record);
        record.revision = revision;
        record.created = Some(created);
        Ok(())
    }

    /// Sets or, with `None`, removes the store of this chat. See [`with_store`](Self::with_store).
    pub fn set_store(&mut self, store: Option<Arc<dyn SessionStore>>) {
        self.store = store;
    }

    /// Saves the conversation after each run, before the run returns. The chat needs a
    /// [conversation id](Self::with_conversation_id).
    ///
    /// A failed save does not affect the reply: [`save_error`](Self::save_error) returns the error until
    /// a save succeeds. The save after a failed or cancelled run contains the turns that the history
    /// keeps. A run that is dropped is not saved; the store keeps the previous state, and the
    /// next run saves both. The branches of [`parallel`](Self::parallel) are not saved.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn SessionStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Returns the error of the last save after a run, if it failed.
    pub fn save_error(&self) -> Option<&SessionError> {
        self.save_error.as_ref()
    }

    /// Saves the conversation after a run, if a store is set.
    pub(super) async fn save_after_run(&mut self) {
        if let Some(store) = self.store.clone() {
            self.save_error = Box::pin(self.save(&*store)).await.err();
        }
    }
}

/// Exports.
impl Chat {
    /// Returns the conversation as Markdown.
    pub fn to_markdown(&self, options: ExportOptions) -> String {
        self.session().to_markdown(options)
    }

    /// Returns the conversation as a self-contained HTML page, in which all contents are escaped.
    pub fn to_html(&self, options: ExportOptions) -> String {
        self.session().to_html(options)
    }

    /// Writes the conversation to a file: Markdown if its extension is `md`, HTML if it is `html`.
    /// Blocks the thread until the file is written.
    ///
    /// # Errors
    ///
    /// [`SessionError::UnsupportedFormat`] for another extension. [`SessionError::Store`] with the I/O
    /// error if the file cannot be written, or exists and `overwrite` is `false`.
    pub fn export(
        &self,
        path: impl AsRef<Path>,
        options: ExportOptions,
        overwrite: bool,
    ) -> Result<(), SessionError> {
        let path = path.as_ref();
        let extension = path.extension().unwrap_or_default();
        let text = if extension.eq_ignore_ascii_case("md") {
            self.to_markdown(options)
        } else if extension.eq_ignore_ascii_case("html") {
            self.to_html(options)
        } else {
            return Err(SessionError::UnsupportedFormat { path: path.display().to_string() });
        };
        let mut file = fs::OpenOptions::new();
        file.write(true).create(true).truncate(true).create_new(!overwrite);
        let mut file = file.open(path).map_err(SessionError::from_error)?;
        file.write_all(text.as_bytes()).map_err(SessionError::from_error)
    }
}
