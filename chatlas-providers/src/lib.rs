//! Model providers for chatlas: each a vendor's protocol over HTTP, behind a cargo feature.
//!
//! [`client`] has the one client of all providers, and `http` its HTTP settings. Each protocol has a
//! folder with its dialect: how requests are written and replies are read. [`vendors`] are those
//! that speak Chat Completions; [`auto`] creates a provider by its name.
//!
//! # TLS
//!
//! - `rustls` (default): TLS by rustls with aws-lc, the default of rustls and of reqwest.
//! - `rustls-ring`: TLS by rustls with ring, which builds faster. Enable it with
//!   `default-features = false`. It enables `reqwest/rustls-no-provider`: if the program or another
//!   crate creates a reqwest client of its own, and no crate enables `reqwest/rustls` or reqwest's
//!   default features, the program has to install a provider first:
//!   `rustls::crypto::ring::default_provider().install_default()`.
//! - Neither: only `http` URLs, and clients of [`HttpOptions::with_client`](http::HttpOptions).
//!
//! No process-wide crypto provider is installed. One that the program has installed is used.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// Types that may grow are built field by field.
#![allow(clippy::field_reassign_with_default)]

#[cfg(feature = "anthropic")]
pub mod anthropic;
pub mod auto;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(feature = "bedrock")]
pub mod bedrock;
// A build without some of the protocols uses a part of it.
#[cfg_attr(
    not(all(feature = "azure", feature = "bedrock-aws-config", feature = "vertex")),
    allow(dead_code, unused_imports)
)]
pub mod client;
#[cfg(feature = "_completions")]
pub mod completions;
#[cfg(feature = "_provider")]
mod data_url;
#[cfg(feature = "google")]
pub mod google;
// A build without some of the protocols uses a part of it.
#[cfg_attr(
    not(all(feature = "azure", feature = "bedrock-aws-config", feature = "vertex")),
    allow(dead_code, unused_imports)
)]
pub mod http;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(feature = "_completions")]
pub mod vendors;

/// What other crates of chatlas use. Not part of the public API.
#[doc(hidden)]
#[allow(missing_docs)]
pub mod __private {
    pub use crate::http::http_client;
}
