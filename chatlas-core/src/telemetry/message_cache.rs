//! The messages of a conversation as JSON, rendered once per turn.
//!
//! Every model call records the latest messages of the conversation, as many as fit into an
//! attribute. With the cache, a call costs the rendering of its new turns and one copy of the
//! recorded messages. Turns that do not fit cost nothing, however long the conversation is.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

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
    turns: Mutex<RenderedTurns>,
    /// The definitions that were recorded last.
    definitions: Mutex<Option<Definitions>>,
}

/// The rendered turns by the address of the turn, so that turns are found wherever they move when
/// the program replaces a part of the conversation.
#[derive(Clone, Default)]
struct RenderedTurns {
    entries: HashMap<usize, Entry, BuildHasherDefault<AddressHasher>>,
    /// The number of the last selection.
    generation: u64,
    /// The last selection: a run and its first model call have the same input.
    last: Option<Arc<InputMessages>>,
}

#[derive(Clone)]
struct Entry {
    rendered: Arc<RenderedTurn>,
    /// The last selection that needed the turn.
    generation: u64,
}

/// Hashes an address, which the default hasher does several times slower.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, address: usize) {
        // A multiplication moves information to the high bits only; the map uses the low ones, too.
        let mixed = (self.0 ^ address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
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
    /// The turn itself. The weak reference keeps its address from being reused, and not its content.
    turn: Weak<Turn>,
    messages: Vec<Box<str>>,
    /// The size of the messages in a list, each with a comma.
    size: usize,
    structured: OnceLock<Vec<AnyValue>>,
}

impl Clone for MessageCache {
    fn clone(&self) -> Self {
        let definitions = lock(&self.0.definitions).clone().into();
        let turns = lock(&self.0.turns).clone().into();
        Self(Arc::new(Shared { turns, definitions }))
    }
}

impl MessageCache {
    /// Returns a handle to the same cache, for a run of the conversation.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Removes the turns that are not in use any more. Called when the program has replaced the
    /// turns of the conversation by `turns`.
    pub(crate) fn replace_turns(&self, turns: &[Arc<Turn>]) {
        let mut cached = lock(&self.0.turns);
        if turns.is_empty() {
            *cached = RenderedTurns::default();
        } else {
            cached.last = None;
            cached.entries.retain(|_, entry| entry.rendered.turn.strong_count() > 0);
        }
    }

    /// Selects the latest messages that fit into `limit` bytes. The last message is always included.
    /// Calls `render` for each turn that is not in the cache, newest first, and for none before the
    /// first that does not fit.
    pub(super) fn select(
        &self,
        turns: &[Arc<Turn>],
        limit: usize,
        render: impl Fn(&Arc<Turn>) -> RenderedTurn,
    ) -> Arc<InputMessages> {
        // Taken out of the lock: rendering calls the program's redaction hook. A call that runs
        // at the same time renders again.
        let mut cached = mem::take(&mut *lock(&self.0.turns));
        let input = match cached.last.take() {
            Some(last) if last.is_of(turns) => last,
            _ => {
                let find = |turn: &Arc<Turn>| cached.find(turn, &render);
                let input = InputMessages::new(turns, limit, find);
                cached.end_selection();
                Arc::new(input)
            }
        };
        cached.last = Some(Arc::clone(&input));
        *lock(&self.0.turns) = cached;
        input
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

impl RenderedTurns {
    fn find(
        &mut self,
        turn: &Arc<Turn>,
        render: impl Fn(&Arc<Turn>) -> RenderedTurn,
    ) -> Arc<RenderedTurn> {
        let generation = self.generation;
        let entry = self
            .entries
            .entry(Arc::as_ptr(turn).addr())
            .or_insert_with(|| Entry { rendered: Arc::new(render(turn)), generation });
        entry.generation = generation;
        Arc::clone(&entry.rendered)
    }

    /// Removes the turns that the selection did not need, once they are more than the others.
    fn end_selection(&mut self) {
        let current = self.generation;
        self.generation += 1;
        let needed = self.entries.values().filter(|entry| entry.generation == current).count();
        if self.entries.len() > 2 * needed {
            self.entries.retain(|_, entry| entry.generation == current);
        }
    }
}

impl RenderedTurn {
    /// Creates the entry of a turn from its messages as JSON text.
    pub(super) fn new(turn: &Arc<Turn>, messages: Vec<Box<str>>) -> Self {
        Self {
            turn: Arc::downgrade(turn),
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
    /// The turns that are recorded, newest first. Each has messages.
    turns: Vec<Arc<RenderedTurn>>,
    /// The number of earlier turns that are omitted.
    omitted: usize,
    /// The number of omitted messages of the oldest recorded turn.
    skipped: usize,
    /// The size of the messages as a list, in bytes.
    size: usize,
    limit: usize,
}

/// Room for the message that replaces the omitted ones.
pub(super) const NOTE_SIZE: usize = 200;

impl InputMessages {
    fn new(
        turns: &[Arc<Turn>],
        limit: usize,
        mut find: impl FnMut(&Arc<Turn>) -> Arc<RenderedTurn>,
    ) -> Self {
        let mut input = Self { turns: Vec::new(), omitted: 0, skipped: 0, size: 1, limit };
        for (index, turn) in turns.iter().enumerate().rev() {
            let rendered = find(turn);
            if input.size + rendered.size > limit && !input.turns.is_empty() {
                input.omitted = index + 1;
                break;
            }
            if rendered.size > 0 {
                input.size += rendered.size;
                input.turns.push(rendered);
            }
        }
        if input.omitted > 0 || input.size > limit {
            input.make_room_for_note();
        }
        input
    }

    /// Returns whether this is the selection from these turns.
    fn is_of(&self, turns: &[Arc<Turn>]) -> bool {
        let same = |(turn, rendered): (&Arc<Turn>, &Arc<RenderedTurn>)| {
            Arc::as_ptr(turn) == rendered.turn.as_ptr()
        };
        self.turns.len() + self.omitted == turns.len()
            && turns.iter().rev().zip(&self.turns).all(same)
    }

    fn make_room_for_note(&mut self) {
        while self.size + NOTE_SIZE > self.limit && self.turns.len() > 1 {
            self.size -= self.turns.pop().map_or(0, |turn| turn.size);
            self.omitted += 1;
        }
        let Some(oldest) = self.turns.last() else { return };
        let last = oldest.messages.len().saturating_sub(1);
        for message in oldest.messages.iter().take(last) {
            if self.size + NOTE_SIZE <= self.limit {
                break;
            }
            self.size -= message.len() + 1;
            self.skipped += 1;
        }
    }

    /// Returns the message that replaces the omitted ones.
    fn note(&self) -> Option<Value> {
        let Self { omitted, skipped, limit, .. } = self;
        let turns = omitted + usize::from(*skipped > 0);
        let note = format!("[cut: {turns} turns of earlier messages; the limit is {limit} bytes]");
        (turns > 0).then(|| json!({"role": "system", "parts": [{"type": "text", "content": note}]}))
    }

    /// Returns the messages as JSON text.
    pub(super) fn text(&self) -> String {
        let messages = self.turns.iter().rev().flat_map(|turn| &turn.messages).skip(self.skipped);
        let note: Option<Box<str>> = self.note().map(|note| note.to_string().into());
        let note_size = note.as_ref().map_or(0, |note| note.len() + 1);
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
        let messages = self.turns.iter().rev().flat_map(|turn| turn.structured());
        let messages = messages.skip(self.skipped).cloned();
        AnyValue::ListAny(Box::new(note.into_iter().chain(messages).collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A cache that counts how many turns it renders.
    #[derive(Default)]
    struct Counted {
        cache: MessageCache,
        rendered: Cell<usize>,
    }

    impl Counted {
        /// Returns the texts of the selected messages, and how many turns were rendered.
        fn select(&self, turns: &[Arc<Turn>], limit: usize) -> (Vec<String>, usize) {
            self.rendered.set(0);
            let input = self.cache.select(turns, limit, |turn| {
                self.rendered.set(self.rendered.get() + 1);
                RenderedTurn::new(turn, vec![format!("\"{}\"", turn.text()).into()])
            });
            let text = input.text();
            let note = input.note().map_or(0, |note| note.to_string().len() + 1);
            assert_eq!(text.len(), input.size.max(2) + note, "the size is exact");
            let list: Vec<Value> = serde_json::from_str(&text).unwrap();
            let texts = list.iter().map(|message| match message.as_str() {
                Some(text) => text.to_owned(),
                None => message["parts"][0]["content"].as_str().unwrap().to_owned(),
            });
            (texts.collect(), self.rendered.get())
        }

        fn len(&self) -> usize {
            lock(&self.cache.0.turns).entries.len()
        }
    }

    fn turns(numbers: std::ops::Range<usize>) -> Vec<Arc<Turn>> {
        numbers.map(|number| Arc::new(Turn::user(format!("{number:05}")))).collect()
    }

    #[test]
    fn turns_that_do_not_fit_are_not_rendered() {
        let cache = Counted::default();
        let all = turns(0..20_000);
        let (texts, rendered) = cache.select(&all, 1000);
        assert_eq!(texts[0], "[cut: 19901 turns of earlier messages; the limit is 1000 bytes]");
        assert_eq!(texts.last().unwrap(), "19999");
        assert_eq!(texts.len(), 1 + 99, "8 bytes each, beside the room for the note");
        assert!(rendered <= 126, "{rendered}");
        assert!(cache.len() <= 126);
        assert_eq!(cache.select(&all, 1000), (texts, 0));
    }

    #[test]
    fn moved_turns_are_found_in_the_cache() {
        let cache = Counted::default();
        let mut window = turns(0..500);
        cache.select(&window, 100_000);
        for next in turns(500..600) {
            window.remove(0);
            window.push(next);
            let (texts, rendered) = cache.select(&window, 100_000);
            assert_eq!((texts.len(), rendered), (500, 1));
        }
        // A summary in the middle, and every other turn.
        window.splice(100..200, turns(900..901));
        assert_eq!(cache.select(&window, 100_000).1, 1);
        let every_other: Vec<_> = window.iter().step_by(2).cloned().collect();
        assert_eq!(cache.select(&every_other, 100_000).1, 0);
        window.retain(|turn| every_other.iter().any(|other| Arc::ptr_eq(turn, other)));
        window.reverse();
        assert_eq!(cache.select(&window, 100_000).1, 0);
        assert!(cache.len() <= 2 * 500, "turns that left the window are released");
    }

    #[test]
    fn equal_turns_are_different_turns() {
        let cache = Counted::default();
        cache.select(&turns(0..1), 1000);
        assert_eq!(cache.select(&turns(0..1), 1000).1, 1);
    }

    #[test]
    fn replaced_turns_are_released() {
        let cache = Counted::default();
        let mut held = turns(0..50);
        cache.select(&held, 10_000);
        held.truncate(10);
        cache.cache.replace_turns(&held);
        assert_eq!(cache.len(), 10);
        cache.cache.replace_turns(&[]);
        assert_eq!(cache.len(), 0, "also if the program still holds them");
    }

    #[test]
    fn last_message_is_always_included() {
        let cache = Counted::default();
        let long = Arc::new(Turn::user("x".repeat(600)));
        assert_eq!(cache.select(&[Arc::clone(&long)], 512).0.len(), 1);
        let (texts, _) = cache.select(&[turns(0..1).remove(0), long], 512);
        assert_eq!(texts[0], "[cut: 1 turns of earlier messages; the limit is 512 bytes]");
        assert_eq!(texts.len(), 2);
        assert_eq!(cache.select(&[], 512).0.len(), 0);
    }
}
