//! The server: the page, the chat (`POST /chat`, which streams server-sent events), and the feedback on
//! answers (`POST /feedback`).

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chatlas::OwnedChatStream;
use chatlas::prelude::*;
use chatlas::telemetry::ReplyId;
use futures_util::Stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OwnedMutexGuard;
use tower_http::trace::TraceLayer;

use crate::tools::{Database, find_rooms};
use crate::{model, telemetry, tools};

const PAGE: &str = include_str!("../static/index.html");
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
        if let Some(entry) = conversations.get_mut(&question.session) {
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
            .with_conversation_id(question.session.as_str())
            .with_session_id(question.session.as_str())
            .with_attribute("user.id", question.user.clone())
            .with_tools(tools![with self.database.clone() => find_rooms]);
        let conversation = Arc::new(tokio::sync::Mutex::new(Some(chat)));
        let entry = Entry { conversation: Arc::clone(&conversation), last_used };
        conversations.insert(question.session.clone(), entry);
        conversation
    }
}

/// Returns the routes of the server. Each request has a span.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/chat", post(chat))
        .route("/feedback", post(feedback))
        .layer(TraceLayer::new_for_http().make_span_with(telemetry::request_span))
        .with_state(app)
}

/// The body of `POST /chat`.
#[derive(Deserialize)]
struct Question {
    user: String,
    session: String,
    text: String,
}

async fn chat(State(app): State<Arc<App>>, Json(question): Json<Question>) -> Response {
    let text = question.text.trim().to_owned();
    if text.is_empty() || text.chars().count() > MAX_QUESTION_LENGTH {
        let reason = format!("a question has 1 to {MAX_QUESTION_LENGTH} characters");
        return (StatusCode::UNPROCESSABLE_ENTITY, reason).into_response();
    }
    let mut slot = app.conversation(&question).lock_owned().await;
    let Some(chat) = slot.take() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let answer = Answer { events: Some(chat.into_stream(text)), slot };
    let events = answer.filter_map(async |event| to_sse(event).map(Ok::<_, Infallible>));
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
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

/// Converts the events that the page shows.
fn to_sse(event: Result<StreamEvent, ChatError>) -> Option<Event> {
    let (name, data) = match event {
        Ok(StreamEvent::Text(text)) => ("text", json!(text)),
        Ok(StreamEvent::ToolRequest(request)) => ("tool", json!(request.name)),
        Ok(StreamEvent::Done(reply)) => ("done", json!(reply.id)),
        Ok(_) => return None,
        // Do not show the vendor's message to users. The span of the call records the error.
        Err(_) => ("failed", json!("The model did not answer. Please try again.")),
    };
    Some(Event::default().event(name).data(data.to_string()))
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
        let question = |number: usize| Question {
            user: "ada".to_owned(),
            session: number.to_string(),
            text: String::new(),
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
