//! Google's models, over
//! [`generateContent`](https://ai.google.dev/api/generate-content): the Gemini API and Vertex AI.

mod contents;
mod error;
mod gemini;
mod media;
mod models;
mod reply;
mod request;
mod schema;
mod sources;
#[cfg(feature = "vertex")]
mod vertex;
mod wire;

pub use gemini::{Gemini, GenerateContent, Quirks};
pub use reply::Decoder;
#[cfg(feature = "vertex")]
pub use vertex::Vertex;

/// The beginning of an id of a call that was invented here. The API never receives one.
const INVENTED_ID: &str = "invented_call_";
