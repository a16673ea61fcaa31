//! The server: the page, the chat (`POST /chat`, answered by server-sent events), and what people
//! think of the answers (`POST /feedback`).

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chatlas::prelude::*;
use chatlas::telemetry::ReplyId;
use opentelemetry::trace::FutureExt as _;
use serde::Deserialize;
use serde_json::json;
use sqlx::SqlitePool;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tower_http::trace::TraceLayer;
use tracing::Instrument as _;

use crate::tools::find_rooms;
use crate::{model, telemetry, tools};

const PAGE: &str = include_str!("../static/index.html");
/// The most characters of a question.
const LONGEST_QUESTION: usize = 4000;
/// The most conversations that are kept: beyond it, the one that was quiet for longest makes room.
const MOST_CONVERSATIONS: usize = 1000;

/// What all requests share.
pub struct App {
    provider: Arc<dyn Provider>,
    database: SqlitePool,
    conversations: Mutex<HashMap<String, Kept>>,
}

/// A conversation; who asks waits until the answer before is over.
type Conversation = Arc<tokio::sync::Mutex<Chat>>;

/// A conversation, and when somebody last said something in it.
struct Kept {
    conversation: Conversation,
    used: Instant,
}

impl App {
    /// The application with its database and its model.
    ///
    /// # Errors
    ///
    /// Where the database cannot be made, or the model that the environment names is unknown.
    pub async fn new() -> Result<Arc<Self>, Box<dyn Error>> {
        Ok(Arc::new(Self {
            provider: model::choose()?,
            database: tools::database().await?,
            conversations: Mutex::default(),
        }))
    }

    /// The conversation of that session, begun where there is none.
    fn conversation(&self, ask: &Ask) -> Conversation {
        let mut kept = self.conversations.lock().unwrap_or_else(PoisonError::into_inner);
        let used = Instant::now();
        if let Some(known) = kept.get_mut(&ask.session) {
            known.used = used;
            return Arc::clone(&known.conversation);
        }
        if kept.len() >= MOST_CONVERSATIONS {
            let idle = kept.iter().filter(|(_, kept)| Arc::strong_count(&kept.conversation) == 1);
            let longest = idle.min_by_key(|(_, kept)| kept.used).map(|(id, _)| id.clone());
            longest.map(|id| kept.remove(&id));
        }
        let chat = Chat::new(Arc::clone(&self.provider))
            .with_name("concierge")
            .with_system_prompt("You help people to find a room. Always look before you answer.")
            .with_conversation_id(ask.session.as_str())
            .with_session_id(ask.session.as_str())
            .with_attribute("user.id", ask.user.clone())
            .tools(tools![with self.database.clone() => find_rooms]);
        let conversation = Arc::new(tokio::sync::Mutex::new(chat));
        let here = Kept { conversation: Arc::clone(&conversation), used };
        kept.insert(ask.session.clone(), here);
        conversation
    }
}

/// The routes, each request in a span.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/chat", post(chat))
        .route("/feedback", post(feedback))
        .layer(TraceLayer::new_for_http().make_span_with(telemetry::request_span))
        .with_state(app)
}

/// A question.
#[derive(Deserialize)]
struct Ask {
    user: String,
    session: String,
    text: String,
}

async fn chat(State(app): State<Arc<App>>, Json(ask): Json<Ask>) -> Response {
    let text = ask.text.trim().to_owned();
    if text.is_empty() || text.chars().count() > LONGEST_QUESTION {
        let why = format!("a question has 1 to {LONGEST_QUESTION} characters");
        return (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
    }
    let (sender, receiver) = mpsc::channel(16);
    // In the context of the request, though in a task of its own.
    let answering = answer(app.conversation(&ask), text, sender);
    tokio::spawn(answering.with_current_context().in_current_span());
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()).into_response()
}

/// Answers, as long as the browser listens: when it goes away the conversation is given up, and its
/// spans end.
async fn answer(
    conversation: Conversation,
    text: String,
    browser: mpsc::Sender<Result<Event, Infallible>>,
) {
    let mut chat = conversation.lock().await;
    let mut events = chat.stream(text);
    loop {
        let event = tokio::select! {
            () = browser.closed() => return,
            event = events.next() => event,
        };
        let told = match event {
            None => return,
            Some(Ok(StreamEvent::Text(text))) => event_of("text", &json!(text)),
            Some(Ok(StreamEvent::ToolRequest(request))) => event_of("tool", &json!(request.name)),
            Some(Ok(StreamEvent::Done(reply))) => event_of("done", &json!(reply.id)),
            Some(Ok(_)) => continue,
            // What the vendor said is for the log; the span of the call has it.
            Some(Err(_)) => event_of("failed", &json!("The model could not be reached.")),
        };
        if browser.send(Ok(told)).await.is_err() {
            return;
        }
    }
}

fn event_of(name: &str, data: &serde_json::Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

/// What somebody thinks of an answer.
#[derive(Deserialize)]
struct Feedback {
    reply: ReplyId,
    good: bool,
}

async fn feedback(Json(Feedback { reply, good }): Json<Feedback>) -> StatusCode {
    let verdict = if good { (1.0, "good") } else { (0.0, "bad") };
    reply.feedback("helpfulness", verdict, None);
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_conversation_that_was_quiet_for_longest_makes_room() {
        let app = App::new().await.expect("the application");
        let session = |number: usize| Ask {
            user: "ada".to_owned(),
            session: number.to_string(),
            text: String::new(),
        };
        let held = app.conversation(&session(0));
        for number in 1..MOST_CONVERSATIONS {
            app.conversation(&session(number));
        }
        app.conversation(&session(1));
        app.conversation(&session(MOST_CONVERSATIONS));

        let kept = app.conversations.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(kept.len(), MOST_CONVERSATIONS);
        assert!(kept.contains_key("0") && kept.contains_key("1") && !kept.contains_key("2"));
        assert_eq!(Arc::strong_count(&held), 2);
    }
}
