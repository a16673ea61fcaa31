//! Portkey.

use chatlas_macros::provider;

use crate::client::KeyIn;
use crate::completions::{OpenAiCompletions, Quirks};

/// A model behind the gateway of [Portkey](https://portkey.ai/docs).
///
/// **Authentication.** The key of `PORTKEY_API_KEY`, in the header `x-portkey-api-key`. The vendor
/// behind the gateway, and its key, are chosen by a [virtual key](Self::with_virtual_key), a
/// [provider](Self::with_provider) or a [config](Self::with_config).
///
/// **Requests.** As [`OpenAiCompletions`].
///
/// **Token counts.** As Portkey reports them.
#[provider(
    like = OpenAiCompletions,
    name = "portkey",
    base_url = "https://api.portkey.ai/v1",
    api_key_env = "PORTKEY_API_KEY",
    default_model = "gpt-5.4",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_key_in(KeyIn::Header("x-portkey-api-key"))
)]
pub struct Portkey;

impl Portkey {
    /// Uses the vendor's key that Portkey stores under this name: the header
    /// `x-portkey-virtual-key`.
    #[must_use]
    pub fn with_virtual_key(self, name: impl Into<String>) -> Self {
        self.with(|api| api.with_header("x-portkey-virtual-key", name))
    }

    /// Sends requests to this vendor: the header `x-portkey-provider`.
    #[must_use]
    pub fn with_provider(self, name: impl Into<String>) -> Self {
        self.with(|api| api.with_header("x-portkey-provider", name))
    }

    /// Uses the routes of this configuration: the header `x-portkey-config`.
    #[must_use]
    pub fn with_config(self, id: impl Into<String>) -> Self {
        self.with(|api| api.with_header("x-portkey-config", id))
    }
}
