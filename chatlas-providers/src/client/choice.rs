//! A choice of a reply under construction: its blocks, and the tool calls that are assembled from
//! pieces.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

use chatlas_core::FinishReason;
use chatlas_core::content::{Content, Replay, Text, Thinking, ToolRequest};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::json;

/// An event of the first choice. Contents are cloned from their block when the event is taken.
#[derive(Debug)]
pub(super) enum Pending {
    Started,
    /// A piece of a text or a thinking.
    Words {
        block: usize,
        piece: String,
    },
    Content {
        block: usize,
    },
    Usage,
    Done,
}

/// A choice of a reply under construction.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// In the order of arrival.
    pub(super) blocks: Vec<Block>,
    finish: Option<FinishReason>,
}

/// A part of a choice.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) order: u64,
    /// Whether an event announces the complete content.
    is_emitted: bool,
    kind: Kind,
    words: Words,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Text,
    Thinking,
    Call(Box<Call>),
    Content(Box<Content>),
}

/// A text or a thinking that is being collected, with its other fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    /// The text so far.
    pub text: String,
    /// The item that the vendor requires back.
    pub replay: Option<Replay>,
    /// The log probabilities of a text.
    pub logprobs: Option<Value>,
}

/// A tool call whose pieces are being collected.
#[derive(Clone, Debug, Default, PartialEq)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    /// The arguments, parsed when the call was emitted.
    parsed: Option<Value>,
    replay: Option<Replay>,
}

/// A piece of a tool call. Fields that the server left out are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallPiece<'a> {
    /// The server's number of the call.
    pub index: Option<u64>,
    /// The server's id of the call.
    pub id: &'a str,
    /// The name of the tool, or the next piece of it.
    pub name: &'a str,
    /// The next piece of the arguments' JSON.
    pub arguments: &'a str,
    /// The item that the vendor requires back with the call.
    pub replay: Option<&'a Replay>,
    /// Whether `arguments` replaces the arguments that have arrived.
    pub has_all_arguments: bool,
    /// Whether this is a complete call, not a piece of one.
    pub is_complete: bool,
}

/// A choice of a [`Reply`](super::Reply), with access to the queue of events if they are made of it.
pub struct ChoiceMut<'a> {
    pub(super) choice: &'a mut Choice,
    pub(super) pending: Option<&'a mut VecDeque<Pending>>,
}

impl ChoiceMut<'_> {
    /// Appends a piece to the text of a block, and emits the piece.
    pub(crate) fn text(&mut self, order: u64, piece: &str) {
        self.words(order, Kind::Text, piece);
    }

    /// Appends a piece to the thinking of a block, and emits the piece.
    pub(crate) fn thinking(&mut self, order: u64, piece: &str) {
        self.words(order, Kind::Thinking, piece);
    }

    fn words(&mut self, order: u64, kind: Kind, piece: &str) {
        if !piece.is_empty() {
            let block = self.choice.words(order, kind);
            self.choice.blocks[block].words.text.push_str(piece);
            self.emit(Pending::Words { block, piece: piece.to_owned() });
        }
    }

    /// Returns the text of a block, to set its other fields. Creates the block if it is missing.
    pub(crate) fn text_mut(&mut self, order: u64) -> &mut Words {
        let block = self.choice.words(order, Kind::Text);
        &mut self.choice.blocks[block].words
    }

    /// Returns the thinking of a block, to set its other fields. Creates the block if it is missing.
    pub(crate) fn thinking_mut(&mut self, order: u64) -> &mut Words {
        let block = self.choice.words(order, Kind::Thinking);
        &mut self.choice.blocks[block].words
    }

    /// Returns the text that has arrived in a block.
    pub(crate) fn text_so_far(&self, order: u64) -> &str {
        let found = self.choice.find_words(order, &Kind::Text);
        found.map_or("", |block| &self.choice.blocks[block].words.text)
    }

    /// Returns the thinking that has arrived in a block.
    pub(crate) fn thinking_so_far(&self, order: u64) -> &str {
        let found = self.choice.find_words(order, &Kind::Thinking);
        found.map_or("", |block| &self.choice.blocks[block].words.text)
    }

    /// Adds a complete content, and emits it. A text or a thinking is emitted as one piece.
    pub(crate) fn content(&mut self, order: u64, content: Content) {
        let block = self.choice.push(Block::from_content(order, content));
        let piece = self.choice.blocks[block].words.text.clone();
        if piece.is_empty() {
            self.emit_content(block);
        } else {
            self.emit(Pending::Words { block, piece });
        }
    }

    /// Adds a complete content that is emitted when the reply ends. A text or a thinking added this
    /// way is not emitted at all.
    pub(crate) fn late_content(&mut self, order: u64, content: Content) {
        self.choice.push(Block::from_content(order, content));
    }

    /// Replaces the blocks of that order by their complete contents, and emits these. A text or a
    /// thinking is emitted only if no piece of it has been.
    pub(crate) fn replace(&mut self, order: u64, contents: Vec<Content>) {
        let mut is_new = true;
        for block in self.choice.blocks.iter_mut().filter(|block| block.order == order) {
            is_new = false;
            // Events refer to blocks by their position, so that they are emptied, not removed.
            *block = Block::new(order, Kind::Text);
        }
        for content in contents {
            match content {
                Content::Text(_) | Content::Thinking(_) if !is_new => {
                    self.late_content(order, content);
                }
                content => self.content(order, content),
            }
        }
    }

    /// Replaces all blocks by the contents of the complete reply, and emits what has not been
    /// emitted. Does nothing if the contents lack a text or a tool call that has arrived: some
    /// servers leave items out of the complete reply.
    pub(crate) fn replace_all(&mut self, contents: Vec<Content>) {
        let replaced = |kind: fn(&Content) -> bool| contents.iter().any(kind);
        let lacks_text = !self.choice.text_of(&Kind::Text).is_empty()
            && !replaced(|content| matches!(content, Content::Text(_) | Content::Refusal(_)));
        let lacks_call =
            self.has_calls() && !replaced(|content| matches!(content, Content::ToolRequest(_)));
        if lacks_text || lacks_call {
            return;
        }
        let mut text = self.choice.text_of(&Kind::Text);
        let mut thinking = self.choice.text_of(&Kind::Thinking);
        let mut emitted = std::mem::take(&mut self.choice.blocks);
        emitted.retain(|block| block.is_emitted);
        for (order, content) in (0..).zip(contents) {
            let seen = match &content {
                Content::Text(new) => Some((&mut text, &new.text)),
                Content::Thinking(new) => Some((&mut thinking, &new.text)),
                _ => None,
            };
            let piece = seen.map(|(seen, new)| unseen(seen, new));
            let is_emitted = emitted.iter().any(|block| block.announces(&content));
            let block = self.choice.push(Block::from_content(order, content));
            match piece {
                Some(piece) if !piece.is_empty() => self.emit(Pending::Words { block, piece }),
                None if is_emitted => self.choice.blocks[block].is_emitted = true,
                None => self.emit_content(block),
                Some(_) => {}
            }
        }
    }

    /// Adds a piece of a tool call. `order` is that of a new call's block.
    pub(crate) fn call(&mut self, order: u64, piece: CallPiece<'_>) {
        let known = (!piece.is_complete).then(|| self.choice.find_call(&piece)).flatten();
        let block = known.unwrap_or_else(|| {
            let call = Call { index: piece.index, ..Call::default() };
            self.choice.push(Block::new(order, Kind::Call(call.into())))
        });
        let Some(call) = self.choice.blocks[block].call_mut() else { return };
        if piece.index.is_some() {
            call.index = piece.index;
        }
        if call.id.is_empty() {
            piece.id.clone_into(&mut call.id);
        }
        // Some servers repeat the name with each piece, or the part of it that has arrived.
        if piece.name.starts_with(&call.name) {
            piece.name.clone_into(&mut call.name);
        } else {
            call.name.push_str(piece.name);
        }
        if let Some(replay) = piece.replay {
            call.replay = Some(replay.clone());
        }
        if piece.has_all_arguments || call.is_repeated_by(&piece) {
            call.arguments.clear();
        }
        if !piece.arguments.is_empty() {
            call.parsed = None;
            call.arguments.push_str(piece.arguments);
        }
    }

    /// Sets the item that the vendor requires back with the call of that index.
    pub(crate) fn set_call_replay(&mut self, index: u64, replay: Replay) {
        let mut calls = self.choice.blocks.iter_mut().filter_map(Block::call_mut);
        if let Some(call) = calls.find(|call| call.index == Some(index)) {
            call.replay = Some(replay);
        }
    }

    /// Completes the call of that index and emits it.
    pub(crate) fn end_call(&mut self, index: u64) {
        let mut blocks = self.choice.blocks.iter();
        let is_wanted = |block: &Block| block.call().is_some_and(|call| call.index == Some(index));
        if let Some(block) = blocks.position(is_wanted) {
            self.emit_content(block);
        }
    }

    /// Completes every call and emits it.
    pub(crate) fn end_calls(&mut self) {
        for block in 0..self.choice.blocks.len() {
            if self.choice.blocks[block].call().is_some() {
                self.emit_content(block);
            }
        }
    }

    /// Returns whether the model requests tool calls.
    pub(crate) fn has_calls(&self) -> bool {
        self.choice.blocks.iter().any(|block| match &block.kind {
            Kind::Call(call) => call.is_named(),
            Kind::Content(content) => matches!(**content, Content::ToolRequest(_)),
            Kind::Text | Kind::Thinking => false,
        })
    }

    /// Returns a copy of the contents that have arrived.
    pub(crate) fn to_contents(&self) -> Vec<Content> {
        let blocks = self.choice.in_order().into_iter().map(|block| &self.choice.blocks[block]);
        blocks.cloned().filter_map(Block::into_content).collect()
    }

    /// Returns whether nothing has arrived of the choice.
    pub(crate) fn is_empty(&self) -> bool {
        self.choice.blocks.is_empty()
    }

    /// Sets why the model stopped.
    pub(crate) fn set_finish(&mut self, reason: FinishReason) {
        self.choice.finish = Some(reason);
    }

    /// Emits the content of a block, unless it is text (whose pieces are emitted) or has been.
    pub(super) fn emit_content(&mut self, block: usize) {
        let Some(known) = self.choice.blocks.get_mut(block) else { return };
        match &mut known.kind {
            Kind::Content(_) => {}
            Kind::Call(call) if call.is_named() => call.complete(),
            Kind::Text | Kind::Thinking | Kind::Call(_) => return,
        }
        if !std::mem::replace(&mut known.is_emitted, true) {
            self.emit(Pending::Content { block });
        }
    }

    fn emit(&mut self, event: Pending) {
        if let Some(pending) = &mut self.pending {
            pending.push_back(event);
        }
    }
}

impl Choice {
    /// Adds a block. Returns its position.
    fn push(&mut self, block: Block) -> usize {
        self.blocks.push(block);
        self.blocks.len() - 1
    }

    /// Returns the position of the text or the thinking of that order, which is added if missing.
    fn words(&mut self, order: u64, kind: Kind) -> usize {
        self.find_words(order, &kind).unwrap_or_else(|| self.push(Block::new(order, kind)))
    }

    /// Returns the text of all blocks of a kind, in the order of the final turn.
    fn text_of(&self, kind: &Kind) -> String {
        let blocks = self.in_order().into_iter().map(|position| &self.blocks[position]);
        blocks.filter(|block| block.kind == *kind).map(|block| block.words.text.as_str()).collect()
    }

    fn find_words(&self, order: u64, kind: &Kind) -> Option<usize> {
        // It is the last block almost always.
        self.blocks.iter().rposition(|block| block.order == order && block.kind == *kind)
    }

    /// Returns the position of the call that a piece belongs to; `None` if it begins a new call.
    ///
    /// The index identifies a call, then the id, then the order of arrival. Some servers leave out
    /// the index, or give all calls the same index, or the same id: [`Call::is_before`] recognizes
    /// the first piece of the next call.
    fn find_call(&self, piece: &CallPiece<'_>) -> Option<usize> {
        let last = |is_wanted: &dyn Fn(&Call) -> bool| {
            self.blocks.iter().rposition(|block| block.call().is_some_and(is_wanted))
        };
        let has_id = |call: &Call| !piece.id.is_empty() && call.id == piece.id;
        let found = match piece.index {
            Some(_) => last(&|call| call.index == piece.index)
                .or_else(|| last(&|call| has_id(call) && call.is_repeated_at_another_index(piece))),
            None if !piece.id.is_empty() => last(&has_id),
            None => last(&|_| true),
        };
        found.filter(|block| {
            self.blocks.get(*block).and_then(Block::call).is_some_and(|call| !call.is_before(piece))
        })
    }

    /// Returns the positions of the blocks, in the order of the final turn.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let mut positions: Vec<usize> = (0..self.blocks.len()).collect();
        positions.sort_by_key(|position| self.blocks[*position].order);
        positions
    }

    /// Returns the contents of the final turn, and why the model stopped.
    pub(super) fn into_parts(mut self) -> (Vec<Content>, Option<FinishReason>) {
        self.blocks.sort_by_key(|block| block.order);
        (self.blocks.into_iter().filter_map(Block::into_content).collect(), self.finish)
    }
}

impl Block {
    fn new(order: u64, kind: Kind) -> Self {
        Self { order, is_emitted: false, kind, words: Words::default() }
    }

    fn from_content(order: u64, content: Content) -> Self {
        let (kind, words) = match content {
            Content::Text(Text { text, replay, logprobs, .. }) => {
                (Kind::Text, Words { text, replay, logprobs })
            }
            Content::Thinking(Thinking { text, replay, .. }) => {
                (Kind::Thinking, Words { text, replay, logprobs: None })
            }
            other => (Kind::Content(other.into()), Words::default()),
        };
        Self { words, ..Self::new(order, kind) }
    }

    fn call(&self) -> Option<&Call> {
        if let Kind::Call(call) = &self.kind { Some(call) } else { None }
    }

    fn call_mut(&mut self) -> Option<&mut Call> {
        if let Kind::Call(call) = &mut self.kind { Some(call) } else { None }
    }

    /// Returns whether the event of this block has announced that content, complete or not.
    fn announces(&self, content: &Content) -> bool {
        match (&self.kind, content) {
            (Kind::Call(call), Content::ToolRequest(new)) => call.id == new.id,
            (Kind::Content(old), new) => match (&**old, new) {
                (Content::ToolRequest(old), Content::ToolRequest(new)) => old.id == new.id,
                (Content::ServerTool(old), Content::ServerTool(new)) if old.id.is_some() => {
                    old.id == new.id
                }
                (old, new) => old == new,
            },
            _ => false,
        }
    }

    pub(super) fn is_thinking(&self) -> bool {
        self.kind == Kind::Thinking
    }

    /// Returns the content of the final turn. `None` for an empty text without further fields, and
    /// for a call without a name.
    pub(super) fn into_content(self) -> Option<Content> {
        let Words { text, replay, logprobs } = self.words;
        match self.kind {
            Kind::Content(content) => Some(*content),
            Kind::Call(call) => call.is_named().then(|| call.into_content()),
            _ if text.is_empty() && replay.is_none() && logprobs.is_none() => None,
            Kind::Thinking => {
                let mut thinking = Thinking::new(text);
                thinking.replay = replay;
                Some(Content::Thinking(thinking))
            }
            Kind::Text => {
                let mut content = Text::new(text);
                (content.replay, content.logprobs) = (replay, logprobs);
                Some(Content::Text(content))
            }
        }
    }

    /// Returns the content of a partial reply. Items that are required back are left out: without
    /// their end they are not valid.
    pub(super) fn into_partial(mut self) -> Option<Content> {
        let is_arrived = match self.kind {
            Kind::Text | Kind::Thinking => !self.words.text.is_empty(),
            Kind::Call(_) | Kind::Content(_) => self.is_emitted,
        };
        (self.words.replay, self.words.logprobs) = (None, None);
        is_arrived.then(|| self.into_content()).flatten()
    }

    /// Removes what an event announces that the consumer has not taken.
    pub(super) fn take_back(&mut self, event: Pending) {
        match event {
            Pending::Words { piece, .. } => {
                let length = self.words.text.strip_suffix(&*piece).map(str::len);
                self.words.text.truncate(length.unwrap_or(usize::MAX));
            }
            _ => self.is_emitted = false,
        }
    }
}

/// Removes the beginning of `seen` that is `text`, or a beginning of it. Returns the rest of `text`,
/// which has not been seen.
fn unseen(seen: &mut String, text: &str) -> String {
    if let Some(rest) = text.strip_prefix(seen.as_str()) {
        seen.clear();
        return rest.to_owned();
    }
    let length = if seen.starts_with(text) { text.len() } else { seen.len() };
    seen.drain(..length);
    String::new()
}

impl Call {
    /// Returns whether the server sent a name. A call without one cannot be run: some servers send an
    /// empty call with each reply.
    fn is_named(&self) -> bool {
        !self.name.trim().is_empty()
    }

    /// Returns whether a piece with the index or the id of this call begins the next call: a piece
    /// with a new name, or with more arguments after complete ones.
    fn is_before(&self, piece: &CallPiece<'_>) -> bool {
        // Nothing but the first piece of a call has to have a name.
        if piece.name.is_empty() || self.name.is_empty() {
            return false;
        }
        let is_other_id = !piece.id.is_empty() && !self.id.is_empty() && piece.id != self.id;
        let has_arguments = !self.arguments.trim().is_empty();
        if is_other_id {
            return true;
        }
        if !piece.name.starts_with(&self.name) {
            // Without an id, it may be the next piece of a name.
            return has_arguments || !piece.id.is_empty();
        }
        let is_anonymous = piece.index.is_none() && piece.id.is_empty();
        let has_more = !piece.arguments.trim().is_empty();
        if !has_arguments {
            return is_anonymous && !has_more;
        }
        let is_repeated = !piece.id.is_empty() && self.arguments == piece.arguments;
        (is_anonymous || has_more) && !is_repeated && self.has_complete_arguments()
    }

    /// Returns whether a piece at another index, with the id of this call, repeats this call.
    fn is_repeated_at_another_index(&self, piece: &CallPiece<'_>) -> bool {
        self.name == piece.name
            && !piece.arguments.is_empty()
            && (self.arguments.is_empty() || self.arguments == piece.arguments)
    }

    /// Returns whether a piece of this call repeats its complete arguments, or replaces the empty
    /// object that some servers send before the arguments.
    fn is_repeated_by(&self, piece: &CallPiece<'_>) -> bool {
        let more = piece.arguments.trim_start();
        more.starts_with('{')
            && (self.arguments == piece.arguments || self.arguments.trim() == "{}")
    }

    fn has_complete_arguments(&self) -> bool {
        self.arguments.trim_end().ends_with(['}', ']'])
            && serde_json::from_str::<IgnoredAny>(&self.arguments).is_ok()
    }

    /// Parses the arguments, and invents an id if the server gave none: the result has to carry one.
    fn complete(&mut self) {
        if self.id.is_empty() {
            self.id = format!("call_{:016x}", RandomState::new().hash_one(&self.name));
        }
        self.parsed.get_or_insert_with(|| json::arguments(&self.arguments));
    }

    fn into_content(mut self) -> Content {
        self.complete();
        let mut request = ToolRequest::new(self.id, self.name, self.parsed.unwrap_or_default());
        request.replay = self.replay;
        Content::ToolRequest(request)
    }
}
