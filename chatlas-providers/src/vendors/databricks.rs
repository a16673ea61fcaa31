//! Databricks.

use chatlas_macros::provider;

use crate::completions::{OpenAiCompletions, Quirks};

/// A model served in a [Databricks](https://docs.databricks.com) workspace.
///
/// **Authentication.** The token of `DATABRICKS_TOKEN`; for tokens that expire,
/// `with(|api| api.with_token_provider(…))`. The workspace is that of `DATABRICKS_HOST`.
///
/// **Requests.** As [`OpenAiCompletions`], without `stream_options`. The parameter `top_k` is
/// supported. Thinking is sent back as parts of the content, as it came. There is no list of models.
///
/// **Token counts.** As Databricks reports them with each chunk of a stream.
#[provider(
    like = OpenAiCompletions,
    name = "databricks",
    base_url = "https://{DATABRICKS_HOST}/serving-endpoints",
    api_key_env = "DATABRICKS_TOKEN",
    default_model = "databricks-claude-sonnet-4-6",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_stream_options(false)
        .with_top_k(true)
        .with_model_list(false)
)]
pub struct Databricks;

impl Databricks {
    /// Sets the workspace by its host, such as `https://adb-….azuredatabricks.net`.
    #[must_use]
    pub fn with_workspace(self, host: impl AsRef<str>) -> Self {
        let host = host.as_ref().trim_end_matches('/');
        let url = match host.split_once("://") {
            Some(_) => format!("{host}/serving-endpoints"),
            None => format!("https://{host}/serving-endpoints"),
        };
        self.with_base_url(url)
    }
}
