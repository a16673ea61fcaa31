//! Makes any history of turns acceptable to the vendor that receives it.
//!
//! Turns may come from another vendor, from storage, from a program that edits them, or from a run
//! that ended early. [`fit`] returns acceptable turns unchanged, after one pass. Otherwise it returns
//! corrected ones, which follow these rules:
//!
//! - Roles alternate: turns without a message are skipped, and neighbours of one role are joined.
//! - Every call has one result, directly after the calls and in their order. A result without a call
//!   is text.
//! - The ids of calls are unique within the conversation, and in the vendor's form; so are names.
//! - No turn is empty, and blank texts of the user are removed.
//! - Images and documents that the vendor does not support are named by a text. Those of the prompt
//!   itself are an error, which the program can act on.
//!
//! How a single content is written is the matter of the dialects.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use chatlas_core::ProviderError;
use chatlas_core::content::{Content, ToolOutcome, ToolRequest, ToolResult};
use chatlas_core::turn::{AssistantTurn, Turn, UserTurn};

/// The text that is sent where a vendor requires one and the conversation has none.
pub(crate) const NO_TEXT: &str = "[empty string]";
/// The maximum length of names, and of ids unless they are free.
const MAX_LENGTH: usize = 64;

/// What a vendor requires of a history.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The form of the ids of tool calls.
    pub call_ids: CallIds,
    /// Whether the name of a tool has to begin with a letter or `_`.
    pub names_begin_with_letter: bool,
    /// Whether the first turn has to be the user's.
    pub starts_with_user: bool,
    /// Whether results may belong to calls that the vendor has stored.
    pub has_stored_calls: bool,
}

/// The form of the ids of tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallIds {
    /// Any text.
    Free,
    /// At most 64 characters.
    Short,
    /// At most 64 ASCII letters, digits, `_` and `-`.
    Plain,
    /// Nine ASCII letters and digits.
    Nine,
}

impl CallIds {
    fn accept(self, id: &str) -> bool {
        !id.is_empty()
            && match self {
                Self::Free => true,
                Self::Short => id.chars().count() <= MAX_LENGTH,
                Self::Plain => id.len() <= MAX_LENGTH && id.chars().all(is_plain),
                Self::Nine => id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            }
    }

    /// Returns the id in this form: the same for the same id and number.
    fn fit(self, id: &str, number: u64) -> String {
        let hash = || {
            let mut hasher = DefaultHasher::new();
            (id, number).hash(&mut hasher);
            hasher.finish()
        };
        if self == Self::Nine {
            // Nine hexadecimal digits are 36 bits.
            return format!("{:09x}", hash() >> 28);
        }
        let mut fitted = if id.is_empty() { "call".to_owned() } else { id.to_owned() };
        if self == Self::Plain {
            fitted = plain(&fitted);
        }
        if number > 0 {
            fitted = format!("{fitted}_{number}");
        }
        if self.accept(&fitted) {
            return fitted;
        }
        let start: String = fitted.chars().take(MAX_LENGTH - 17).collect();
        format!("{start}_{:016x}", hash())
    }
}

impl Rules {
    /// Returns the name of a tool in the form that all vendors accept. A model may have invented
    /// another one.
    fn name(self, name: &str) -> Cow<'_, str> {
        let begins = |c: char| !self.names_begin_with_letter || c.is_ascii_alphabetic() || c == '_';
        let first = name.chars().next();
        if name.len() <= MAX_LENGTH && name.chars().all(is_plain) && first.is_some_and(begins) {
            return name.into();
        }
        let begin = if first.is_some_and(begins) { "" } else { "_" };
        format!("{begin}{}", plain(name)).chars().take(MAX_LENGTH).collect::<String>().into()
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

/// A vendor as the receiver of a history.
pub(super) struct Receiver<'r> {
    pub(super) rules: Rules,
    /// Returns whether a content of the model is a message by itself, as text is and thinking is not.
    pub(super) is_message: &'r dyn Fn(&Content) -> bool,
    /// Returns the error of an image or a document that the vendor does not support.
    pub(super) check_media: &'r dyn Fn(&Content) -> Result<(), ProviderError>,
}

/// Returns the turns in a form that the vendor accepts.
///
/// # Errors
///
/// An image or a document of the last turn that the vendor does not support.
pub(super) fn fit<'a>(
    receiver: &Receiver<'_>,
    turns: &'a [Arc<Turn>],
) -> Result<Cow<'a, [Arc<Turn>]>, ProviderError> {
    if let Some(Turn::User(prompt)) = turns.last().map(AsRef::as_ref) {
        prompt.contents.iter().filter(|c| is_media(c)).try_for_each(receiver.check_media)?;
    }
    Ok(if receiver.accepts(turns) {
        Cow::Borrowed(turns)
    } else {
        Cow::Owned(Fitting::new(receiver).run(turns))
    })
}

impl Receiver<'_> {
    fn accepts(&self, turns: &[Arc<Turn>]) -> bool {
        let mut ids = HashSet::new();
        let mut last: Option<&Turn> = None;
        for turn in turns {
            let is_accepted = match (last, &**turn) {
                (None | Some(Turn::Assistant(_)), Turn::User(turn)) => {
                    turn.contents.iter().any(is_prompt)
                        && turn.contents.iter().all(|content| self.takes(content))
                        && self.are_results(last, turn)
                }
                (None, Turn::Assistant(_)) if self.rules.starts_with_user => false,
                (None | Some(Turn::User(_)), Turn::Assistant(turn)) => {
                    turn.contents.iter().any(self.is_message)
                        && turn.tool_requests().all(|request| {
                            self.rules.call_ids.accept(&request.id)
                                && matches!(self.rules.name(&request.name), Cow::Borrowed(_))
                                && ids.insert(&*request.id)
                        })
                }
                _ => false,
            };
            if !is_accepted {
                return false;
            }
            last = Some(turn);
        }
        !last.is_some_and(|last| matches!(last, Turn::Assistant(_)) && has_calls(last))
    }

    /// Returns whether the results of a turn are those of the calls before it, in their order.
    fn are_results(&self, calls: Option<&Turn>, turn: &UserTurn) -> bool {
        let calls = calls.map(Turn::contents).unwrap_or_default();
        let mut calls = calls.iter().filter_map(as_call);
        let mut results = turn.tool_results();
        loop {
            match (calls.next(), results.next()) {
                (None, None) => return true,
                (Some(call), Some(result)) if call.id == result.id && call.name == result.name => {}
                (None, Some(_)) if self.rules.has_stored_calls => {}
                _ => return false,
            }
        }
    }

    /// Returns whether the vendor supports the images and documents of a content.
    fn takes(&self, content: &Content) -> bool {
        match content {
            Content::ToolResult(ToolResult {
                outcome: ToolOutcome::Contents(contents), ..
            }) => contents.iter().all(|content| self.takes(content)),
            content => !is_media(content) || (self.check_media)(content).is_ok(),
        }
    }
}

/// A call whose result is expected, with its new id and name.
struct Open<'a> {
    call: &'a ToolRequest,
    id: String,
    name: String,
}

/// The turns that are being corrected.
struct Fitting<'r, 'a> {
    receiver: &'r Receiver<'r>,
    turns: Vec<Arc<Turn>>,
    /// The ids of all calls so far.
    ids: HashSet<String>,
    /// The calls of the last turn.
    open: Vec<Open<'a>>,
}

impl<'r, 'a> Fitting<'r, 'a> {
    fn new(receiver: &'r Receiver<'r>) -> Self {
        Self { receiver, turns: Vec::new(), ids: HashSet::new(), open: Vec::new() }
    }

    fn run(mut self, turns: &'a [Arc<Turn>]) -> Vec<Arc<Turn>> {
        let mut group: Vec<&'a Arc<Turn>> = Vec::new();
        for (index, turn) in turns.iter().enumerate() {
            let is_sent = match &**turn {
                Turn::User(_) => true,
                // The vendor continues a paused turn, which is the last one.
                Turn::Assistant(turn) => {
                    index + 1 == turns.len() && !turn.contents.is_empty()
                        || turn
                            .contents
                            .iter()
                            .any(|c| (self.receiver.is_message)(c) || is_media(c))
                }
                _ => false,
            };
            if is_sent {
                let joins = |last: &&Arc<Turn>| is_user(last) == is_user(turn) && !has_calls(last);
                if !group.last().is_some_and(joins) {
                    self.add(&std::mem::take(&mut group));
                }
                group.push(turn);
            }
        }
        self.add(&group);
        if !self.open.is_empty() {
            self.add_user(&[]);
        }
        self.turns
    }

    /// Adds consecutive turns of one role as one turn.
    fn add(&mut self, group: &[&'a Arc<Turn>]) {
        match group.first() {
            None => {}
            Some(first) if is_user(first) => self.add_user(group),
            Some(_) => {
                let is_first = self.turns.is_empty() && self.receiver.rules.starts_with_user;
                if is_first || !self.open.is_empty() {
                    self.add_user(&[]);
                }
                self.add_assistant(group);
            }
        }
    }

    fn add_assistant(&mut self, group: &[&'a Arc<Turn>]) {
        let contents = || group.iter().flat_map(|turn| turn.contents());
        let is_empty = !contents().any(self.receiver.is_message);
        let contents = contents().filter_map(|content| match content {
            Content::ToolRequest(call) => Some(self.fit_call(content, call)),
            // The result of a call is the user's.
            Content::ToolResult(_) => None,
            media if is_empty && is_media(media) => Some(unsupported(media)),
            content => Some(Cow::Borrowed(content)),
        });
        let contents = contents.collect();
        self.push(group, contents);
    }

    /// Gives a call an id that is new and in the vendor's form, and a name in the vendor's form.
    fn fit_call(&mut self, content: &'a Content, call: &'a ToolRequest) -> Cow<'a, Content> {
        let rules = self.receiver.rules;
        let mut id = call.id.clone();
        let mut number = 0;
        while !rules.call_ids.accept(&id) || self.ids.contains(&id) {
            id = rules.call_ids.fit(&call.id, number);
            number += 1;
        }
        self.ids.insert(id.clone());
        let name = rules.name(&call.name).into_owned();
        let fitted = if id == call.id && name == call.name {
            Cow::Borrowed(content)
        } else {
            let mut fitted = call.clone();
            (fitted.id, fitted.name) = (id.clone(), name.clone());
            Cow::Owned(Content::ToolRequest(fitted))
        };
        self.open.push(Open { call, id, name });
        fitted
    }

    /// Adds a turn of the user, with the results of the open calls before anything else.
    fn add_user(&mut self, group: &[&'a Arc<Turn>]) {
        let contents = || group.iter().flat_map(|turn| turn.contents());
        let mut results: Vec<(&'a Content, &'a ToolResult)> =
            contents().filter_map(|content| Some((content, as_result(content)?))).collect();
        let open = std::mem::take(&mut self.open);
        let mut new: Vec<Cow<'a, Content>> = Vec::new();
        for (index, Open { call, id, name }) in open.iter().enumerate() {
            // Some vendors give several calls one id: each takes the next result.
            let rest = open.iter().skip(index);
            let expected = rest.filter(|other| other.call.id == call.id).count();
            let result = take_result(&mut results, &call.id, expected);
            new.push(result.map_or_else(
                || {
                    let mut result = ToolResult::interrupted(call);
                    (result.id, result.name) = (id.clone(), name.clone());
                    Cow::Owned(Content::ToolResult(result))
                },
                |(content, result)| self.fit_result(content, result, id, name),
            ));
        }
        let is_duplicate = |result: &ToolResult| open.iter().any(|open| open.call.id == result.id);
        for (content, result) in results.into_iter().filter(|(_, result)| !is_duplicate(result)) {
            if self.receiver.rules.has_stored_calls {
                new.push(Cow::Borrowed(content));
            } else {
                new.extend(self.as_text(result));
            }
        }
        for content in contents().filter(|c| as_result(c).is_none() && is_prompt(c)) {
            new.push(self.fit_media(content));
        }
        if new.is_empty() {
            new.push(Cow::Owned(Content::text(NO_TEXT)));
        }
        self.push(group, new);
    }

    fn fit_result(
        &self,
        content: &'a Content,
        result: &'a ToolResult,
        id: &str,
        name: &str,
    ) -> Cow<'a, Content> {
        if result.id == id && result.name == name && self.receiver.takes(content) {
            return Cow::Borrowed(content);
        }
        let outcome = match &result.outcome {
            ToolOutcome::Contents(contents) => {
                let contents = contents.iter().map(|content| self.fit_media(content).into_owned());
                ToolOutcome::Contents(contents.collect())
            }
            outcome => outcome.clone(),
        };
        Cow::Owned(Content::ToolResult(ToolResult::new(id, name, outcome)))
    }

    /// Returns a result whose call is not in the history as text, images and documents.
    fn as_text(&self, result: &'a ToolResult) -> Vec<Cow<'a, Content>> {
        let text = format!("Result of `{}`: {}", result.name, result.outcome.to_model_text());
        let contents = match &result.outcome {
            ToolOutcome::Contents(contents) => contents.as_slice(),
            _ => &[],
        };
        let media = contents.iter().filter(|content| is_media(content));
        let media = media.map(|content| self.fit_media(content));
        std::iter::once(Cow::Owned(Content::text(text))).chain(media).collect()
    }

    fn fit_media(&self, content: &'a Content) -> Cow<'a, Content> {
        if self.receiver.takes(content) { Cow::Borrowed(content) } else { unsupported(content) }
    }

    /// Adds a turn. A turn that is unchanged is shared, not copied.
    fn push(&mut self, group: &[&'a Arc<Turn>], contents: Vec<Cow<'a, Content>>) {
        let is_same =
            |turn: &Turn| {
                turn.contents().len() == contents.len()
                    && turn.contents().iter().zip(&contents).all(
                        |(old, new)| matches!(new, Cow::Borrowed(new) if std::ptr::eq(old, *new)),
                    )
            };
        let turn = match group {
            [turn] if is_same(turn) => Arc::clone(turn),
            _ => {
                let contents: Vec<Content> = contents.into_iter().map(Cow::into_owned).collect();
                Arc::new(match group.last().map(|turn| &***turn) {
                    Some(Turn::Assistant(last)) => {
                        let mut turn = AssistantTurn::new(contents);
                        turn.response_id.clone_from(&last.response_id);
                        turn.model.clone_from(&last.model);
                        turn.into()
                    }
                    _ => Turn::User(UserTurn::new(contents)),
                })
            }
        };
        self.turns.push(turn);
    }
}

/// Takes the result of a call with that id. If there are more results than calls expect, one that is
/// no error is preferred: the error may have been added when the conversation was interrupted.
fn take_result<'a>(
    results: &mut Vec<(&'a Content, &'a ToolResult)>,
    id: &str,
    expected: usize,
) -> Option<(&'a Content, &'a ToolResult)> {
    let of_call = || results.iter().filter(|(_, result)| result.id == id);
    let has_more = of_call().count() > expected;
    let position = results
        .iter()
        .position(|(_, result)| result.id == id && has_more && !result.outcome.is_error())
        .or_else(|| results.iter().position(|(_, result)| result.id == id))?;
    Some(results.remove(position))
}

/// Returns the text that names an image or a document which cannot be sent.
fn unsupported<'a>(content: &Content) -> Cow<'a, Content> {
    let kind = if matches!(content, Content::Image(_)) { "an image" } else { "a document" };
    Cow::Owned(Content::text(format!("[{kind} that cannot be sent]")))
}

/// Returns whether a content of the user is sent. All vendors accept no blank text, or ignore it.
fn is_prompt(content: &Content) -> bool {
    match content {
        Content::Text(text) => !text.text.trim().is_empty(),
        Content::ToolResult(_) => true,
        content => is_media(content),
    }
}

fn is_media(content: &Content) -> bool {
    matches!(content, Content::Image(_) | Content::Document(_))
}

fn is_user(turn: &Turn) -> bool {
    matches!(turn, Turn::User(_))
}

fn has_calls(turn: &Turn) -> bool {
    !is_user(turn) && turn.contents().iter().any(|content| as_call(content).is_some())
}

fn as_call(content: &Content) -> Option<&ToolRequest> {
    if let Content::ToolRequest(call) = content { Some(call) } else { None }
}

fn as_result(content: &Content) -> Option<&ToolResult> {
    if let Content::ToolResult(result) = content { Some(result) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RULES: Rules = Rules {
        call_ids: CallIds::Plain,
        names_begin_with_letter: false,
        starts_with_user: true,
        has_stored_calls: false,
    };

    fn fitted(rules: Rules, turns: &[Arc<Turn>]) -> Cow<'_, [Arc<Turn>]> {
        let receiver = Receiver {
            rules,
            is_message: &|content| !matches!(content, Content::Thinking(_)),
            check_media: &|_| Ok(()),
        };
        fit(&receiver, turns).expect("acceptable media")
    }

    fn rounds(ids: &[&str]) -> Vec<Arc<Turn>> {
        let round = |id: &&str| {
            let call = Content::ToolRequest(ToolRequest::new(*id, "look", json!({})));
            let result = ToolResult::new(*id, "look", ToolOutcome::Value(json!(1)));
            let answer = [Content::ToolResult(result), Content::text("and?")];
            [Turn::from(AssistantTurn::new([call])), UserTurn::new(answer).into()]
        };
        let turns = std::iter::once(Turn::user("hi")).chain(ids.iter().flat_map(round));
        turns.map(Arc::new).collect()
    }

    #[test]
    fn an_acceptable_history_is_borrowed() {
        let turns = rounds(&["a", "b", "c"]);
        assert!(matches!(fitted(RULES, &turns), Cow::Borrowed(_)));
    }

    #[test]
    fn only_the_turns_that_change_are_copied() {
        let turns = rounds(&["a", "b", "a"]);
        let fitted = fitted(RULES, &turns);
        let shared: Vec<bool> =
            turns.iter().zip(&*fitted).map(|(old, new)| Arc::ptr_eq(old, new)).collect();
        assert_eq!(shared, [true, true, true, true, true, false, false]);
    }

    #[test]
    fn an_id_has_the_same_form_in_every_request() {
        for call_ids in [CallIds::Free, CallIds::Short, CallIds::Plain, CallIds::Nine] {
            let rules = Rules { call_ids, ..RULES };
            let long = "x|".repeat(60);
            let turns = rounds(&["", &long, "a", "a"]);
            let all = fitted(rules, &turns).into_owned();
            let first = fitted(rules, &turns[..5]).into_owned();
            assert_eq!(all[..5], first);
            let calls: Vec<&ToolRequest> =
                all.iter().flat_map(|turn| turn.contents()).filter_map(as_call).collect();
            assert!(calls.iter().all(|call| call_ids.accept(&call.id)), "{calls:?}");
        }
    }
}
