//! Model providers for chatlas: each a vendor's protocol over HTTP, behind a cargo feature.
//!
//! `http` is what they share: settings, retries, errors, HTTP spans. Each protocol has a folder;
//! `vendors` are those who speak OpenAI's, `auto` finds a provider by its name.

#![forbid(unsafe_code)]

#[cfg(feature = "anthropic")]
pub mod anthropic;
pub mod auto;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(feature = "bedrock")]
pub mod bedrock;
// Not every dialect uses everything.
#[cfg_attr(not(feature = "_provider"), allow(dead_code, unused_imports))]
pub mod client;
#[cfg(feature = "_completions")]
pub mod completions;
#[cfg(feature = "_provider")]
mod data_url;
#[cfg(feature = "google")]
pub mod google;
// A build without any provider has nobody who sends.
#[cfg_attr(not(feature = "_provider"), allow(dead_code, unused_imports, unused_macros))]
pub mod http;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(feature = "_completions")]
pub mod vendors;
