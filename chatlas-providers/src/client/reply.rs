//! A reply under construction. Every dialect adds the pieces that it reads; this file makes of them
//! the stream's events, the partial reply of a stream that ends early, and the final turn.
//!
//! A choice of a reply consists of blocks. Each has an `order`: pieces with the same order belong to
//! the same block, and the final turn lists the blocks by their order (equal orders: by arrival).
//! The text is held once, in its block.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use chatlas_core::content::{Content, Replay, Text, Thinking, ToolRequest};
use chatlas_core::turn::Alternative;
use chatlas_core::{Completion, CompletionEvent, FinishReason, ProviderError, Usage};
use opentelemetry::{Key, KeyValue, Value as AttributeValue};
use serde_json::Value;

use super::{json, malformed};

/// The maximum number of choices in a reply. OpenAI returns no more.
const MAX_CHOICES: usize = 128;

/// A reply under construction.
#[derive(Debug, Default)]
pub struct Reply {
    is_streamed: bool,
    id: Option<String>,
    model: Option<String>,
    usage: Usage,
    attributes: Vec<KeyValue>,
    choices: Vec<Choice>,
    /// The events that the consumer has not taken yet.
    pending: VecDeque<Pending>,
    has_started: bool,
    is_over: bool,
    taken: Taken,
}

/// The parts of the reply, other than its blocks, that the consumer has taken.
#[derive(Debug, Default)]
struct Taken {
    any: bool,
    started: bool,
    usage: Usage,
    done: bool,
}

/// An event of the first choice. Contents are cloned from their block when the event is taken.
#[derive(Debug)]
enum Pending {
    Started,
    Text { block: usize, piece: String },
    Thinking { block: usize, piece: String },
    Content { block: usize },
    Usage,
    Done,
}

/// A choice of a reply under construction.
#[derive(Debug, Default)]
struct Choice {
    /// In the order of arrival.
    blocks: Vec<Block>,
    finish: Option<FinishReason>,
}

#[derive(Debug)]
struct Block {
    order: u64,
    /// Whether an event announces the complete content.
    is_emitted: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Text(Text),
    Thinking(Thinking),
    Call(Call),
    Content(Content),
}

/// A tool call whose pieces are being collected.
#[derive(Debug, Default)]
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
    /// Whether `arguments` replaces the arguments that have arrived.
    pub has_all_arguments: bool,
    /// Whether this is a complete call, not a piece of one.
    pub is_complete: bool,
}

impl Reply {
    /// Creates a reply that makes events.
    pub(crate) fn streamed() -> Self {
        Self { is_streamed: true, ..Self::default() }
    }

    /// Creates a reply that makes no events.
    pub(crate) fn complete() -> Self {
        Self::default()
    }

    /// Sets the id of the response, unless it is empty or already set.
    pub(crate) fn set_id(&mut self, id: &str) {
        set_once(&mut self.id, id);
    }

    /// Sets the exact model that answers, unless it is empty or already set.
    pub(crate) fn set_model(&mut self, model: &str) {
        set_once(&mut self.model, model);
    }

    /// Returns whether the id or the model is set.
    pub(crate) fn is_identified(&self) -> bool {
        self.id.is_some() || self.model.is_some()
    }

    /// Returns the id of the response, if it is set.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the id, the model and the token counts as a partial reply without contents, for an
    /// error that reports what it has cost.
    pub(crate) fn to_partial(&self) -> Completion {
        let mut partial = Completion::default();
        partial.response_id.clone_from(&self.id);
        partial.model.clone_from(&self.model);
        partial.usage = self.usage;
        partial.partial = true;
        partial
    }

    /// Emits `Started`, unless it has been emitted.
    pub(crate) fn start(&mut self) {
        if !std::mem::replace(&mut self.has_started, true) {
            self.emit(Pending::Started);
        }
    }

    /// Sets an attribute of the vendor's own conventions.
    pub(crate) fn set_attribute(&mut self, key: impl Into<Key>, value: impl Into<AttributeValue>) {
        let attribute = KeyValue::new(key, value);
        self.attributes.retain(|existing| existing.key != attribute.key);
        self.attributes.push(attribute);
    }

    /// Returns the token counts so far.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// Sets the token counts, and emits them if they differ from those so far.
    pub(crate) fn set_usage(&mut self, usage: Usage) {
        if self.usage != usage {
            self.usage = usage;
            self.emit(Pending::Usage);
        }
    }

    /// Returns a choice, to add pieces to it. Events are made of the first choice (index 0) only.
    ///
    /// # Errors
    ///
    /// A malformed reply, if the index is implausibly large.
    pub(crate) fn choice(&mut self, index: usize) -> Result<ChoiceMut<'_>, ProviderError> {
        if index >= MAX_CHOICES {
            return Err(malformed(&format!("it has more than {MAX_CHOICES} choices")));
        }
        Ok(self.choice_mut(index))
    }

    /// Returns the first choice, to add pieces to it.
    pub(crate) fn first(&mut self) -> ChoiceMut<'_> {
        self.choice_mut(0)
    }

    fn choice_mut(&mut self, index: usize) -> ChoiceMut<'_> {
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, Choice::default);
        }
        let pending = (self.is_streamed && index == 0).then_some(&mut self.pending);
        ChoiceMut { choice: &mut self.choices[index], pending }
    }

    /// Returns the number of choices.
    pub(crate) fn choice_count(&self) -> usize {
        self.choices.len()
    }

    /// Returns every choice in turn, to add pieces to it.
    pub(crate) fn for_each_choice(&mut self, mut change: impl FnMut(ChoiceMut<'_>)) {
        for index in 0..self.choices.len() {
            change(self.choice_mut(index));
        }
    }

    /// Ends the reply: emits the contents of the first choice that have not been emitted, then
    /// `Done`.
    pub(crate) fn end(&mut self) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let mut first = self.first();
        for block in first.choice.in_order() {
            first.emit_content(block);
        }
        self.emit(Pending::Done);
    }

    /// Returns whether the reply has ended. Nothing that arrives later is read.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the complete reply.
    pub(crate) fn into_completion(mut self) -> Completion {
        self.take_completion()
    }

    fn emit(&mut self, event: Pending) {
        if self.is_streamed {
            self.pending.push_back(event);
        }
    }

    /// Returns the next event.
    pub(crate) fn next_event(&mut self) -> Option<CompletionEvent> {
        let event = self.pending.pop_front()?;
        self.taken.any = true;
        Some(match event {
            Pending::Started => {
                self.taken.started = true;
                CompletionEvent::Started { response_id: self.id.clone(), model: self.model.clone() }
            }
            Pending::Text { piece, .. } => CompletionEvent::Text(piece),
            Pending::Thinking { piece, .. } => CompletionEvent::Thinking(piece),
            Pending::Content { block } => {
                let block = self.choices.first().and_then(|choice| choice.blocks.get(block))?;
                CompletionEvent::Content(block.body.to_content())
            }
            Pending::Usage => {
                self.taken.usage = self.usage;
                CompletionEvent::Usage(self.usage)
            }
            Pending::Done => {
                self.taken.done = true;
                CompletionEvent::Done(Arc::new(self.take_completion()))
            }
        })
    }

    /// Takes the part of the reply that the consumer has taken as events. `None` if that is nothing,
    /// or everything.
    pub(crate) fn take_partial(&mut self) -> Option<Completion> {
        if !self.taken.any || self.taken.done {
            return None;
        }
        let mut blocks = match self.choices.first_mut() {
            Some(first) => std::mem::take(&mut first.blocks),
            None => Vec::new(),
        };
        for event in self.pending.drain(..) {
            match event {
                Pending::Text { block, piece } | Pending::Thinking { block, piece } => {
                    if let Some(block) = blocks.get_mut(block) {
                        block.body.remove_end(&piece);
                    }
                }
                Pending::Content { block } => {
                    if let Some(block) = blocks.get_mut(block) {
                        block.is_emitted = false;
                    }
                }
                Pending::Started | Pending::Usage | Pending::Done => {}
            }
        }
        blocks.sort_by_key(|block| block.order);
        let mut partial = Completion::default();
        partial.contents = blocks.into_iter().filter_map(Block::into_partial).collect();
        partial.usage = self.taken.usage;
        if self.taken.started {
            partial.response_id = self.id.take();
            partial.model = self.model.take();
        }
        Some(partial)
    }

    fn take_completion(&mut self) -> Completion {
        let mut choices = std::mem::take(&mut self.choices).into_iter().map(Choice::into_parts);
        let mut completion = Completion::default();
        (completion.contents, completion.finish_reason) = choices.next().unwrap_or_default();
        completion.alternatives = choices
            .map(|(contents, finish)| {
                let mut alternative = Alternative::new(contents);
                alternative.finish_reason = finish;
                alternative
            })
            .collect();
        completion.usage = self.usage;
        completion.response_id = self.id.take();
        completion.model = self.model.take();
        completion.attributes = std::mem::take(&mut self.attributes);
        completion
    }
}

fn set_once(field: &mut Option<String>, value: &str) {
    if field.is_none() && !value.is_empty() {
        *field = Some(value.to_owned());
    }
}

/// A choice of a [`Reply`], with access to the queue of events if they are made of it.
pub struct ChoiceMut<'a> {
    choice: &'a mut Choice,
    pending: Option<&'a mut VecDeque<Pending>>,
}

impl ChoiceMut<'_> {
    /// Appends a piece to the text of a block, and emits the piece.
    pub(crate) fn text(&mut self, order: u64, piece: &str) {
        if piece.is_empty() {
            return;
        }
        let (block, text) = self.choice.text(order);
        text.text.push_str(piece);
        if let Some(pending) = &mut self.pending {
            pending.push_back(Pending::Text { block, piece: piece.to_owned() });
        }
    }

    /// Appends a piece to the thinking of a block, and emits the piece.
    pub(crate) fn thinking(&mut self, order: u64, piece: &str) {
        if piece.is_empty() {
            return;
        }
        let (block, thinking) = self.choice.thinking(order);
        thinking.text.push_str(piece);
        if let Some(pending) = &mut self.pending {
            pending.push_back(Pending::Thinking { block, piece: piece.to_owned() });
        }
    }

    /// Returns the text of a block, to set its other fields. Creates the block if it is missing.
    pub(crate) fn text_mut(&mut self, order: u64) -> &mut Text {
        self.choice.text(order).1
    }

    /// Returns the thinking of a block, to set its other fields. Creates the block if it is missing.
    pub(crate) fn thinking_mut(&mut self, order: u64) -> &mut Thinking {
        self.choice.thinking(order).1
    }

    /// Returns the text that has arrived in a block.
    pub(crate) fn text_so_far(&self, order: u64) -> &str {
        let mut blocks = self.choice.blocks.iter();
        blocks
            .find_map(|block| match &block.body {
                Body::Text(text) if block.order == order => Some(text.text.as_str()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Returns the thinking that has arrived in a block.
    pub(crate) fn thinking_so_far(&self, order: u64) -> &str {
        let mut blocks = self.choice.blocks.iter();
        blocks
            .find_map(|block| match &block.body {
                Body::Thinking(thinking) if block.order == order => Some(thinking.text.as_str()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Adds a complete content, and emits it. A text or a thinking is emitted as one piece.
    pub(crate) fn content(&mut self, order: u64, content: Content) {
        let piece = match &content {
            Content::Text(text) => Some((text.text.clone(), true)),
            Content::Thinking(thinking) => Some((thinking.text.clone(), false)),
            _ => None,
        };
        let block = self.choice.push(order, Body::of(content));
        match (piece, &mut self.pending) {
            (None, _) => self.emit_content(block),
            (Some((piece, is_text)), Some(pending)) if !piece.is_empty() => {
                pending.push_back(if is_text {
                    Pending::Text { block, piece }
                } else {
                    Pending::Thinking { block, piece }
                });
            }
            _ => {}
        }
    }

    /// Adds a complete content that is emitted when the reply ends. A text or a thinking added this
    /// way is not emitted at all.
    pub(crate) fn late_content(&mut self, order: u64, content: Content) {
        self.choice.push(order, Body::of(content));
    }

    /// Replaces the blocks of that order by their complete contents, and emits these. A text or a
    /// thinking is emitted only if no piece of it has been.
    pub(crate) fn replace(&mut self, order: u64, contents: Vec<Content>) {
        let mut is_new = true;
        for block in &mut self.choice.blocks {
            if block.order == order {
                is_new = false;
                // Events refer to blocks by their position, so that they are emptied, not removed.
                block.body = Body::Text(Text::default());
            }
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

    /// Replaces all blocks by the contents of the complete reply. `emit` is whether nothing of them
    /// has been emitted before.
    pub(crate) fn replace_all(&mut self, contents: Vec<Content>, emit: bool) {
        self.choice.blocks.clear();
        for (order, content) in (0..).zip(contents) {
            if emit {
                self.content(order, content);
            } else {
                let block = Block { order, is_emitted: true, body: Body::of(content) };
                self.choice.blocks.push(block);
            }
        }
    }

    /// Adds a piece of a tool call. `order` is that of a new call's block.
    pub(crate) fn call(&mut self, order: u64, piece: CallPiece<'_>) {
        let known = (!piece.is_complete).then(|| self.choice.find_call(&piece)).flatten();
        let block = known.unwrap_or_else(|| {
            let call = Call { index: piece.index, ..Call::default() };
            self.choice.push(order, Body::Call(call))
        });
        let Some(Block { body: Body::Call(call), .. }) = self.choice.blocks.get_mut(block) else {
            return;
        };
        if call.id.is_empty() {
            piece.id.clone_into(&mut call.id);
        }
        // Some servers repeat the name with each piece.
        if call.name != piece.name {
            call.name.push_str(piece.name);
        }
        if !piece.arguments.is_empty() {
            call.parsed = None;
        }
        if piece.has_all_arguments {
            piece.arguments.clone_into(&mut call.arguments);
        } else {
            call.arguments.push_str(piece.arguments);
        }
    }

    /// Sets the item that the vendor requires back with the call of that index.
    pub(crate) fn set_call_replay(&mut self, index: u64, replay: Replay) {
        for block in &mut self.choice.blocks {
            if let Body::Call(call) = &mut block.body
                && call.index == Some(index)
            {
                call.replay = Some(replay);
                return;
            }
        }
    }

    /// Completes the call of that index and emits it.
    pub(crate) fn end_call(&mut self, index: u64) {
        let mut blocks = self.choice.blocks.iter();
        let found = blocks
            .position(|block| matches!(&block.body, Body::Call(call) if call.index == Some(index)));
        if let Some(block) = found {
            self.emit_content(block);
        }
    }

    /// Completes every call and emits it.
    pub(crate) fn end_calls(&mut self) {
        for block in 0..self.choice.blocks.len() {
            if matches!(self.choice.blocks[block].body, Body::Call(_)) {
                self.emit_content(block);
            }
        }
    }

    /// Returns whether the model requests tool calls.
    pub(crate) fn has_calls(&self) -> bool {
        self.choice.blocks.iter().any(|block| {
            matches!(block.body, Body::Call(_) | Body::Content(Content::ToolRequest(_)))
        })
    }

    /// Returns a copy of the contents that have arrived.
    pub(crate) fn to_contents(&self) -> Vec<Content> {
        let blocks = self.choice.in_order().into_iter().filter_map(|i| self.choice.blocks.get(i));
        let contents = blocks.map(|block| block.body.to_content());
        contents.filter(|content| *content != Content::text("")).collect()
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
    fn emit_content(&mut self, block: usize) {
        let Some(known) = self.choice.blocks.get_mut(block) else { return };
        match &mut known.body {
            Body::Text(_) | Body::Thinking(_) => return,
            Body::Content(_) => {}
            Body::Call(call) => call.complete(),
        }
        if std::mem::replace(&mut known.is_emitted, true) {
            return;
        }
        if let Some(pending) = &mut self.pending {
            pending.push_back(Pending::Content { block });
        }
    }
}

impl Choice {
    fn push(&mut self, order: u64, body: Body) -> usize {
        self.blocks.push(Block { order, is_emitted: false, body });
        self.blocks.len() - 1
    }

    /// The text block of that order, which is the last one almost always.
    fn text(&mut self, order: u64) -> (usize, &mut Text) {
        let is_wanted = |block: &Block| block.order == order && matches!(block.body, Body::Text(_));
        let found = self.blocks.iter().rposition(is_wanted);
        let index = found.unwrap_or_else(|| self.push(order, Body::Text(Text::default())));
        match &mut self.blocks[index].body {
            Body::Text(text) => (index, text),
            _ => unreachable!("the block was found by its kind"),
        }
    }

    fn thinking(&mut self, order: u64) -> (usize, &mut Thinking) {
        let is_wanted =
            |block: &Block| block.order == order && matches!(block.body, Body::Thinking(_));
        let found = self.blocks.iter().rposition(is_wanted);
        let index = found.unwrap_or_else(|| self.push(order, Body::Thinking(Thinking::default())));
        match &mut self.blocks[index].body {
            Body::Thinking(thinking) => (index, thinking),
            _ => unreachable!("the block was found by its kind"),
        }
    }

    /// The call that a piece belongs to; `None` if it begins a new call.
    ///
    /// Some servers leave out the index, or give all calls the same one. Then the id identifies the
    /// call, and without an id a name begins a new call.
    fn find_call(&self, piece: &CallPiece<'_>) -> Option<usize> {
        let position = |is_wanted: &dyn Fn(&Call) -> bool| {
            self.blocks
                .iter()
                .rposition(|block| matches!(&block.body, Body::Call(call) if is_wanted(call)))
        };
        match piece.index {
            Some(_) => position(&|call| call.index == piece.index).filter(|block| {
                let Body::Call(call) = &self.blocks[*block].body else { return false };
                let same_id = piece.id.is_empty() || call.id.is_empty() || call.id == piece.id;
                same_id || piece.name.is_empty()
            }),
            None if !piece.id.is_empty() => position(&|call| call.id == piece.id),
            None if piece.name.is_empty() => position(&|_| true),
            None => None,
        }
    }

    /// The indices of the blocks, in the order of the final turn.
    fn in_order(&self) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.blocks.len()).collect();
        indices.sort_by_key(|index| self.blocks[*index].order);
        indices
    }

    fn into_parts(mut self) -> (Vec<Content>, Option<FinishReason>) {
        self.blocks.sort_by_key(|block| block.order);
        let contents = self.blocks.into_iter().filter_map(|block| block.body.into_content());
        (contents.collect(), self.finish)
    }
}

impl Block {
    /// The content of a partial reply. Items that are required back are left out: without their end
    /// they are not valid.
    fn into_partial(self) -> Option<Content> {
        match self.body {
            Body::Text(text) if !text.text.is_empty() => Some(Content::text(text.text)),
            Body::Thinking(thinking) if !thinking.text.is_empty() => {
                Some(Content::Thinking(Thinking::new(thinking.text)))
            }
            Body::Content(content) if self.is_emitted => Some(content),
            Body::Call(call) if self.is_emitted => Some(call.into_content()),
            _ => None,
        }
    }
}

impl Body {
    fn of(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text),
            Content::Thinking(thinking) => Self::Thinking(thinking),
            other => Self::Content(other),
        }
    }

    fn to_content(&self) -> Content {
        match self {
            Self::Text(text) => Content::Text(text.clone()),
            Self::Thinking(thinking) => Content::Thinking(thinking.clone()),
            Self::Content(content) => content.clone(),
            Self::Call(call) => call.to_content(),
        }
    }

    /// The content of the final turn. `None` for an empty text without further fields.
    fn into_content(self) -> Option<Content> {
        match self {
            Self::Text(text) if text == Text::default() => None,
            Self::Thinking(thinking) if thinking == Thinking::default() => None,
            Self::Text(text) => Some(Content::Text(text)),
            Self::Thinking(thinking) => Some(Content::Thinking(thinking)),
            Self::Content(content) => Some(content),
            Self::Call(call) => Some(call.into_content()),
        }
    }

    /// Removes a piece that was appended and not taken.
    fn remove_end(&mut self, piece: &str) {
        let text = match self {
            Self::Text(text) => &mut text.text,
            Self::Thinking(thinking) => &mut thinking.text,
            Self::Call(_) | Self::Content(_) => return,
        };
        let length = text.strip_suffix(piece).map_or(text.len(), str::len);
        text.truncate(length);
    }
}

impl Call {
    /// Parses the arguments, and invents an id if the server gave none: the result has to carry one.
    fn complete(&mut self) {
        if self.id.is_empty() {
            self.id = format!("call_{:016x}", RandomState::new().hash_one(&self.name));
        }
        self.parsed.get_or_insert_with(|| json::arguments(&self.arguments));
    }

    fn to_content(&self) -> Content {
        let arguments = self.parsed.clone().unwrap_or_else(|| json::arguments(&self.arguments));
        let mut request = ToolRequest::new(&self.id, &self.name, arguments);
        request.replay = self.replay.clone();
        Content::ToolRequest(request)
    }

    fn into_content(mut self) -> Content {
        self.complete();
        let arguments = self.parsed.unwrap_or_default();
        let mut request = ToolRequest::new(self.id, self.name, arguments);
        request.replay = self.replay;
        Content::ToolRequest(request)
    }
}
