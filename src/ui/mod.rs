//! Streams an answer to a browser, as the UI message stream of the Vercel AI SDK: `useChat` shows it, with
//! text, reasoning, tool calls and their results, sources and files.
//!
//! [`UiRequest`] is the body that `useChat` sends, [`MessageStream`] the body of the response,
//! [`HEADERS`] are its headers, and [`messages`] shows a conversation again. The protocol is version 1, as
//! [documented](https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#data-stream-protocol).
//!
//! ```
//! use axum::body::Body;
//! use axum::response::Response;
//! use chatlas::{Chat, ui};
//!
//! async fn answer(body: String, chat: Chat) -> Response {
//!     let request: ui::UiRequest = match chatlas::serde_json::from_str(&body) {
//!         Ok(request) => request,
//!         Err(error) => return Response::new(Body::from(format!("invalid request: {error}"))),
//!     };
//!     let answer = ui::MessageStream::new(chat.into_stream(request.prompt()));
//!     let mut response = Response::new(Body::from_stream(answer.map_ok()));
//!     for (name, value) in ui::HEADERS {
//!         response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
//!     }
//!     response
//! }
//! # fn main() {}
//! ```

mod chunks;
mod messages;
mod request;
mod stream;

pub use messages::messages;
pub use request::{UiMessage, UiRequest};
pub use stream::{HEADERS, MessageStream, OkStream};
