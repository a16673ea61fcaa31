//! The messages of a conversation as JSON, rendered once per turn.
//!
//! Every model call records the complete conversation. The cache makes the cost of a call the
//! rendering of its new turns, plus one copy.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use opentelemetry::logs::AnyValue;
use serde_json::{Value, json};

use super::events::any_json;
use crate::provider::ServerToolDefinition;
use crate::tool::ToolDefinition;
use crate::turn::Turn;

/// The rendered messages and tool definitions of a conversation.
///
/// A clone is independent: changes of one do not affect the other.
#[derive(Default)]
pub(crate) struct MessageCache(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// The turns, oldest first.
    turns: Mutex<Arc<Vec<Arc<RenderedTurn>>>>,
    /// The definitions that were recorded last.
    definitions: Mutex<Option<Definitions>>,
}

/// Tool definitions and their JSON.
#[derive(Clone)]
struct Definitions {
    tools: Vec<ToolDefinition>,
    server_tools: Vec<ServerToolDefinition>,
    json: Arc<str>,
}

/// A turn as JSON messages.
pub(super) struct RenderedTurn {
    /// The turn itself, kept so that its address is not reused.
    turn: Arc<Turn>,
    messages: Vec<Arc<str>>,
    /// The size of the messages in a list, each with a comma.
    size: usize,
    structured: OnceLock<Vec<AnyValue>>,
}

impl Clone for MessageCache {
    fn clone(&self) -> Self {
        let definitions = lock(&self.0.definitions).clone().into();
        Self(Arc::new(Shared { turns: self.turns().into(), definitions }))
    }
}

impl MessageCache {
    /// Returns a handle to the same cache, for a run of the conversation.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn turns(&self) -> Arc<Vec<Arc<RenderedTurn>>> {
        Arc::clone(&lock(&self.0.turns))
    }

    /// Returns the turns as JSON. Calls `render` for each turn that is not in the cache.
    pub(super) fn render(
        &self,
        turns: &[Arc<Turn>],
        render: impl Fn(&Arc<Turn>) -> RenderedTurn,
    ) -> Arc<Vec<Arc<RenderedTurn>>> {
        let cached = self.turns();
        let pairs = cached.iter().zip(turns);
        let same = pairs.take_while(|(cached, turn)| Arc::ptr_eq(&cached.turn, turn)).count();
        if same == cached.len() && same == turns.len() {
            return cached;
        }
        // Outside the lock: rendering calls the program's redaction hook.
        let fresh: Vec<_> = turns.iter().skip(same).map(|turn| Arc::new(render(turn))).collect();
        let mut current = lock(&self.0.turns);
        *current = cached;
        // Copies the list only if another run still reads it.
        let turns = Arc::make_mut(&mut current);
        turns.truncate(same);
        turns.extend(fresh);
        Arc::clone(&current)
    }

    /// Returns the definitions as JSON. Calls `render` if they differ from those in the cache.
    pub(super) fn definitions(
        &self,
        tools: &[ToolDefinition],
        server_tools: &[ServerToolDefinition],
        render: impl FnOnce() -> String,
    ) -> Arc<str> {
        let same = |a: &ToolDefinition, b: &ToolDefinition| {
            a.name == b.name
                && a.description == b.description
                && Arc::ptr_eq(&a.parameters, &b.parameters)
        };
        let unchanged = |cached: &Definitions| {
            cached.server_tools == server_tools
                && cached.tools.len() == tools.len()
                && cached.tools.iter().zip(tools).all(|(a, b)| same(a, b))
        };
        if let Some(cached) = &*lock(&self.0.definitions)
            && unchanged(cached)
        {
            return Arc::clone(&cached.json);
        }
        // Outside the lock: rendering calls the program's redaction hook.
        let json: Arc<str> = render().into();
        *lock(&self.0.definitions) = Some(Definitions {
            tools: tools.to_vec(),
            server_tools: server_tools.to_vec(),
            json: Arc::clone(&json),
        });
        json
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RenderedTurn {
    /// Creates the entry of a turn from its messages as JSON text.
    pub(super) fn new(turn: &Arc<Turn>, messages: Vec<Arc<str>>) -> Self {
        Self {
            turn: Arc::clone(turn),
            size: messages.iter().map(|text| text.len() + 1).sum(),
            messages,
            structured: OnceLock::new(),
        }
    }

    fn structured(&self) -> &[AnyValue] {
        self.structured
            .get_or_init(|| self.messages.iter().filter_map(|text| structured(text)).collect())
    }
}

/// Converts JSON text to the structured values of events.
pub(super) fn structured(text: &str) -> Option<AnyValue> {
    serde_json::from_str(text).ok().as_ref().and_then(any_json)
}

/// The input messages of a call, within the size limit: the oldest messages are omitted if there are
/// too many.
pub(super) struct InputMessages {
    turns: Arc<Vec<Arc<RenderedTurn>>>,
    /// The number of omitted messages.
    omitted: usize,
    /// The size of the other messages as a list, in bytes.
    size: usize,
    limit: usize,
}

/// Room for the message that replaces the omitted ones.
pub(super) const NOTE_SIZE: usize = 200;

impl InputMessages {
    /// Selects the latest messages that fit into `limit` bytes. The last message is always included.
    pub(super) fn new(turns: Arc<Vec<Arc<RenderedTurn>>>, limit: usize) -> Self {
        let mut omitted = 0;
        let mut size = turns.iter().map(|turn| turn.size).sum::<usize>() + 1;
        if size > limit {
            let lengths =
                || turns.iter().flat_map(|turn| &turn.messages).map(|text| text.len() + 1);
            let last = lengths().count().saturating_sub(1);
            for length in lengths().take(last) {
                if size + NOTE_SIZE <= limit {
                    break;
                }
                size -= length;
                omitted += 1;
            }
        }
        Self { turns, omitted, size, limit }
    }

    /// Returns the message that replaces the omitted ones.
    fn note(&self) -> Option<Value> {
        let Self { omitted, limit, .. } = self;
        let note = format!("[cut: {omitted} earlier messages; the limit is {limit} bytes]");
        (*omitted > 0)
            .then(|| json!({"role": "system", "parts": [{"type": "text", "content": note}]}))
    }

    /// Returns the messages as JSON text.
    pub(super) fn text(&self) -> String {
        let messages = self.turns.iter().flat_map(|turn| &turn.messages).skip(self.omitted);
        let note = self.note().map(|note| Arc::from(note.to_string()));
        let note_size = note.as_ref().map_or(0, |note: &Arc<str>| note.len() + 1);
        // The exact size: the SDK shrinks a larger allocation, which copies the text.
        let mut list = String::with_capacity(self.size.max(2) + note_size);
        list.push('[');
        for text in note.iter().chain(messages) {
            if list.len() > 1 {
                list.push(',');
            }
            list.push_str(text);
        }
        list.push(']');
        list
    }

    /// Returns the messages as structured values of events.
    pub(super) fn structured(&self) -> AnyValue {
        let note = self.note().as_ref().and_then(any_json);
        let messages = self.turns.iter().flat_map(|turn| turn.structured()).skip(self.omitted);
        AnyValue::ListAny(Box::new(note.into_iter().chain(messages.cloned()).collect()))
    }
}
