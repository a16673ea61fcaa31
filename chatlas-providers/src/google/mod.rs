//! Google's models, over
//! [`generateContent`](https://ai.google.dev/api/generate-content): the Gemini API and Vertex AI.

mod call_id;
mod contents;
mod embeddings;
mod error;
mod gemini;
mod media;
mod model_name;
mod models;
mod operation;
mod quirks;
mod reply;
mod request;
#[cfg(feature = "vertex")]
mod resource;
mod schema;
mod sources;
#[cfg(feature = "vertex")]
mod vertex;
mod wire;

pub use gemini::{Gemini, GenerateContent};
pub use quirks::Quirks;
#[cfg(feature = "vertex")]
pub use vertex::Vertex;
