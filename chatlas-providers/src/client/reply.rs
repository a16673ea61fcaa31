//! A reply under construction. Every dialect adds the pieces that it reads; this file makes of them
//! the stream's events, the partial reply of a stream that ends early, and the final turn.
//!
//! A choice of a reply consists of blocks. Each has an `order`: pieces with the same order belong to
//! the same block, and the final turn lists the blocks by their order (equal orders: by arrival).
//! The text is held once, in its block.

use std::collections::VecDeque;
use std::sync::Arc;

use chatlas_core::turn::Alternative;
use chatlas_core::{Completion, CompletionEvent, ProviderError, Usage};
use opentelemetry::{Key, KeyValue, Value as AttributeValue};

use super::choice::{Block, Choice, ChoiceMut, Pending};
use super::malformed;

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

    /// Returns whether token counts have arrived.
    pub(crate) fn has_usage(&self) -> bool {
        self.usage != Usage::default()
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

    /// Returns what has been read of a complete reply that failed. `None` if that is nothing.
    pub(crate) fn into_partial(mut self) -> Option<Completion> {
        let contents = self.first().to_contents();
        if contents.is_empty() && !self.has_usage() {
            return None;
        }
        let mut partial = self.to_partial();
        partial.contents = contents;
        Some(partial)
    }

    /// Returns a block of the first choice.
    fn block(&self, position: usize) -> Option<&Block> {
        self.choices.first()?.blocks.get(position)
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
            Pending::Words { block, piece }
                if self.block(block).is_some_and(Block::is_thinking) =>
            {
                CompletionEvent::Thinking(piece)
            }
            Pending::Words { piece, .. } => CompletionEvent::Text(piece),
            Pending::Content { block } => {
                let block = self.block(block).cloned();
                CompletionEvent::Content(block.and_then(Block::into_content)?)
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
        // The last piece of a text first.
        for event in self.pending.drain(..).rev() {
            if let Pending::Words { block, .. } | Pending::Content { block } = event
                && let Some(block) = blocks.get_mut(block)
            {
                block.take_back(event);
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
