//! The server: the page, the chat (`POST /chat`, which streams the answer as `useChat` of the Vercel AI SDK
//! reads it), the messages of a conversation (`GET /chat/{id}`), and the feedback on answers
//! (`POST /feedback`).

use std::collections::HashMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chatlas::prelude::*;
use chatlas::telemetry::ReplyId;
use chatlas::{OwnedChatStream, ui};
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::OwnedMutexGuard;
use tower_http::trace::TraceLayer;

use crate::tools::{Database, find_rooms};
use crate::{model, telemetry, tools};

const PAGE: &str = include_str!("../static/index.html");
const STYLE: &str = include_str!("../static/style.css");
const SCRIPT: &str = include_str!("../static/page.js");
const MARKDOWN: &str = include_str!("../static/markdown.js");
/// The maximum length of a question, in characters.
const MAX_QUESTION_LENGTH: usize = 4000;
/// The maximum number of conversations. Beyond it, the least recently used one is removed.
const MAX_CONVERSATIONS: usize = 1000;

/// The state that all requests share.
pub struct App {
    provider: Arc<dyn Provider>,
    database: Database,
    conversations: Mutex<HashMap<String, Entry>>,
}

/// The chat of a conversation. It is locked, and `None`, while an answer is streamed: the next question
/// waits for the lock.
type Conversation = Arc<tokio::sync::Mutex<Option<Chat>>>;

/// A conversation and the time of its last question.
struct Entry {
    conversation: Conversation,
    last_used: Instant,
}

impl App {
    /// Creates the application with its database and its model.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be created, or if the model in the environment is not
    /// supported.
    pub fn new() -> Result<Arc<Self>, Box<dyn Error>> {
        Ok(Arc::new(Self {
            provider: model::from_env()?,
            database: tools::database()?,
            conversations: Mutex::default(),
        }))
    }

    /// Returns the conversation of a session, and creates it if it does not exist.
    fn conversation(&self, question: &Question) -> Conversation {
        let mut conversations = self.conversations.lock().unwrap_or_else(PoisonError::into_inner);
        let last_used = Instant::now();
        if let Some(entry) = conversations.get_mut(&question.request.id) {
            entry.last_used = last_used;
            return Arc::clone(&entry.conversation);
        }
        if conversations.len() >= MAX_CONVERSATIONS {
            let idle = conversations
                .iter()
                .filter(|(_, entry)| Arc::strong_count(&entry.conversation) == 1);
            let oldest = idle.min_by_key(|(_, entry)| entry.last_used).map(|(id, _)| id.clone());
            oldest.map(|id| conversations.remove(&id));
        }
        let chat = Chat::new(Arc::clone(&self.provider))
            .with_name("concierge")
            .with_system_prompt("You help guests to find a room. Always call find_rooms first.")
            .with_conversation_id(question.request.id.as_str())
            .with_session_id(question.request.id.as_str())
            .with_attribute("user.id", question.user.clone())
            .with_tools(tools![with self.database.clone() => find_rooms]);
        let conversation = Arc::new(tokio::sync::Mutex::new(Some(chat)));
        let entry = Entry { conversation: Arc::clone(&conversation), last_used };
        conversations.insert(question.request.id.clone(), entry);
        conversation
    }
}

/// Returns the routes of the server. Each request has a span.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/style.css", get(|| async { ([(CONTENT_TYPE, "text/css")], STYLE) }))
        .route("/page.js", get(|| async { ([(CONTENT_TYPE, "text/javascript")], SCRIPT) }))
        .route("/markdown.js", get(|| async { ([(CONTENT_TYPE, "text/javascript")], MARKDOWN) }))
        .route("/chat", post(chat))
        .route("/chat/{id}", get(messages))
        .route("/feedback", post(feedback))
        .layer(TraceLayer::new_for_http().make_span_with(telemetry::request_span))
        .with_state(app)
}

/// The body of `POST /chat`.
#[derive(Deserialize)]
struct Question {
    #[serde(flatten)]
    request: ui::UiRequest,
    #[serde(default = "guest")]
    user: String,
}

fn guest() -> String {
    "guest".to_owned()
}

async fn chat(State(app): State<Arc<App>>, Json(question): Json<Question>) -> Response {
    let prompt = question.request.prompt();
    let length: usize = prompt.contents().iter().map(content_length).sum();
    if length == 0 || length > MAX_QUESTION_LENGTH {
        let reason = format!("a question has 1 to {MAX_QUESTION_LENGTH} characters");
        return (StatusCode::UNPROCESSABLE_ENTITY, reason).into_response();
    }
    let mut slot = app.conversation(&question).lock_owned().await;
    let Some(mut chat) = slot.take() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if question.request.regenerates() {
        chat.undo();
    }
    let answer = Answer { events: Some(chat.into_stream(prompt)), slot };
    let body = Body::from_stream(ui::MessageStream::new(answer).map_ok());
    (ui::HEADERS, body).into_response()
}

/// Returns the number of characters of a text, without spaces around it.
fn content_length(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.text.trim().chars().count(),
        _ => 0,
    }
}

/// Returns the messages of a conversation, for a page that was reloaded.
async fn messages(State(app): State<Arc<App>>, Path(id): Path<String>) -> Json<Vec<ui::UiMessage>> {
    let conversation = {
        let conversations = app.conversations.lock().unwrap_or_else(PoisonError::into_inner);
        conversations.get(&id).map(|entry| Arc::clone(&entry.conversation))
    };
    let Some(conversation) = conversation else { return Json(Vec::new()) };
    // While an answer is streamed, this waits for its end.
    let slot = conversation.lock().await;
    Json(slot.as_ref().map(|chat| ui::messages(chat.turns())).unwrap_or_default())
}

/// The events of an answer, as the body of the response. It owns the chat while it streams.
///
/// When the answer ends or the browser disconnects, the body is dropped. This cancels what is left of
/// the run, ends its spans, and returns the chat to its conversation.
struct Answer {
    events: Option<OwnedChatStream>,
    slot: OwnedMutexGuard<Option<Chat>>,
}

impl Stream for Answer {
    type Item = Result<StreamEvent, ChatError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.events {
            Some(events) => events.poll_next_unpin(task),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        *self.slot = self.events.take().map(OwnedChatStream::into_chat);
    }
}

/// The body of `POST /feedback`: a user's rating of an answer.
#[derive(Deserialize)]
struct Feedback {
    reply: ReplyId,
    good: bool,
}

async fn feedback(Json(Feedback { reply, good }): Json<Feedback>) -> StatusCode {
    let value = if good { (1.0, "good") } else { (0.0, "bad") };
    reply.feedback("helpfulness", value, None);
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn least_recently_used_conversation_is_removed() {
        let app = App::new().expect("the application");
        let question = |number: usize| {
            let body = serde_json::json!({"id": number.to_string(), "user": "ada"});
            serde_json::from_value::<Question>(body).expect("a question")
        };
        let in_use = app.conversation(&question(0));
        for number in 1..MAX_CONVERSATIONS {
            app.conversation(&question(number));
        }
        app.conversation(&question(1));
        app.conversation(&question(MAX_CONVERSATIONS));

        let conversations = app.conversations.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(conversations.len(), MAX_CONVERSATIONS);
        assert!(conversations.contains_key("0") && conversations.contains_key("1"));
        assert!(!conversations.contains_key("2"));
        assert_eq!(Arc::strong_count(&in_use), 2);
    }
}
