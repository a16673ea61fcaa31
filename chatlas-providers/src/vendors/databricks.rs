//! Databricks.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model served in a [Databricks](https://docs.databricks.com) workspace.
///
/// **Authentication.** The token of `DATABRICKS_TOKEN`; for tokens that run out,
/// `with(|api| api.token_provider(…))`. The workspace is that of `DATABRICKS_HOST`.
///
/// **What is sent.** As [`OpenAiCompletions`], without `stream_options`; `top_k` is known. Thoughts
/// are sent back as the parts of the content that they were. There is no list of models.
///
/// **How tokens are counted.** As Databricks tells them, unasked with each chunk of a stream.
#[provider(
    like = OpenAiCompletions,
    name = "databricks",
    base_url = "https://{DATABRICKS_HOST}/serving-endpoints",
    api_key_env = "DATABRICKS_TOKEN",
    default_model = "databricks-claude-sonnet-4-6",
    quirks(max_tokens_field, no_stream_options, takes_top_k, no_model_list)
)]
pub struct Databricks;

impl Databricks {
    /// Uses that workspace: its host, `https://adb-….azuredatabricks.net` for example.
    #[must_use]
    pub fn workspace(self, host: impl AsRef<str>) -> Self {
        let host = host.as_ref().trim_end_matches('/');
        let url = match host.split_once("://") {
            Some(_) => format!("{host}/serving-endpoints"),
            None => format!("https://{host}/serving-endpoints"),
        };
        self.base_url(url)
    }
}
