//! Portkey.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model behind the gateway of [Portkey](https://portkey.ai/docs).
///
/// **Authentication.** The key of `PORTKEY_API_KEY`, in the header `x-portkey-api-key`. Which
/// vendor is asked, and with which key, says a [`virtual_key`](Self::virtual_key), a
/// [`provider`](Self::provider) or a [`config`](Self::config).
///
/// **What is sent.** As [`OpenAiCompletions`].
///
/// **How tokens are counted.** As Portkey tells them.
#[provider(
    like = OpenAiCompletions,
    name = "portkey",
    base_url = "https://api.portkey.ai/v1",
    api_key_env = "PORTKEY_API_KEY",
    default_model = "gpt-5.4",
    quirks(max_tokens_field, portkey_key_header)
)]
pub struct Portkey;

impl Portkey {
    /// Uses the vendor's key that Portkey keeps under that name: `x-portkey-virtual-key`.
    #[must_use]
    pub fn virtual_key(self, name: impl Into<String>) -> Self {
        self.with(|api| api.header("x-portkey-virtual-key", name))
    }

    /// Asks that vendor: `x-portkey-provider`.
    #[must_use]
    pub fn provider(self, name: impl Into<String>) -> Self {
        self.with(|api| api.header("x-portkey-provider", name))
    }

    /// Uses the routes of that configuration: `x-portkey-config`.
    #[must_use]
    pub fn config(self, id: impl Into<String>) -> Self {
        self.with(|api| api.header("x-portkey-config", id))
    }
}
