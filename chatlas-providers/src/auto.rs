//! A provider by its name, such as `openai/gpt-4o` in a program's configuration.

use std::sync::Arc;

use chatlas_core::provider::Vendor;
use chatlas_core::{Provider, ProviderError, ProviderErrorKind};

use crate::http::variable;

/// The environment variable of [`auto_from_env`].
pub const PROVIDER_VARIABLE: &str = "CHATLAS_CHAT_PROVIDER_MODEL";

/// Creates a provider for a model.
type New = fn(&str) -> Arc<dyn Provider>;

/// A provider that can be chosen by name.
struct Entry {
    name: &'static str,
    feature: &'static str,
    /// `None` if its feature is off.
    provider: Option<Choice>,
}

/// The provider of an entry.
#[derive(Clone, Copy)]
struct Choice {
    vendor: Vendor,
    /// Whether one of its variables has to be set: that of the key, or one that replaces it.
    needs_key: bool,
    /// The variables that replace that of the key.
    other_variables: [Option<&'static str>; 2],
    new: New,
}

/// `entry!(name, feature, provider, needs_key)`; with `home`, a provider of the vendor that defined
/// the protocol.
macro_rules! entry {
    ($name:literal, $feature:tt, home $provider:path, $needs_key:literal) => {
        entry!(@ $name, $feature, $provider, $needs_key, <$provider>::OTHER_VARIABLES)
    };
    ($name:literal, $feature:tt, $provider:path, $needs_key:literal) => {
        entry!(@ $name, $feature, $provider, $needs_key, [None; 2])
    };
    (@ $name:literal, $feature:tt, $provider:path, $needs_key:literal, $other:expr) => {
        Entry {
            name: $name,
            feature: $feature,
            #[cfg(feature = $feature)]
            provider: Some(Choice {
                vendor: <$provider>::VENDOR,
                needs_key: $needs_key,
                other_variables: $other,
                new: |model| Arc::new(<$provider>::new(model)),
            }),
            #[cfg(not(feature = $feature))]
            provider: None,
        }
    };
}

#[rustfmt::skip]
static ENTRIES: &[Entry] = &[
    entry!("openai", "openai", home crate::openai::OpenAi, true),
    entry!("openai-completions", "openai", home crate::completions::OpenAiCompletions, true),
    entry!("anthropic", "anthropic", home crate::anthropic::Anthropic, true),
    // Credentials of AWS and of Google Cloud have many sources.
    entry!("bedrock", "bedrock", home crate::bedrock::Bedrock, false),
    entry!("google", "google", home crate::google::Gemini, true),
    entry!("vertex", "vertex", crate::google::Vertex, false),
    entry!("azure-openai", "azure", crate::azure::AzureOpenAi, true),
    entry!("azure-openai-completions", "azure", crate::azure::AzureOpenAiCompletions, true),
    entry!("cloudflare", "cloudflare", crate::vendors::Cloudflare, true),
    entry!("databricks", "databricks", crate::vendors::Databricks, true),
    entry!("deepseek", "deepseek", crate::vendors::DeepSeek, true),
    entry!("groq", "groq", crate::vendors::Groq, true),
    entry!("huggingface", "huggingface", crate::vendors::HuggingFace, true),
    // A server on this machine has no key by default.
    entry!("lm-studio", "lm-studio", crate::vendors::LmStudio, false),
    entry!("mistral", "mistral", crate::vendors::Mistral, true),
    entry!("ollama", "ollama", crate::vendors::Ollama, false),
    entry!("openrouter", "openrouter", crate::vendors::OpenRouter, true),
    entry!("perplexity", "perplexity", crate::vendors::Perplexity, true),
    entry!("portkey", "portkey", crate::vendors::Portkey, true),
];

/// Creates the provider with that name: `provider/model`, or `provider` alone for its default model.
///
/// ```no_run
/// # fn example() -> Result<(), chatlas_core::ProviderError> {
/// let chat = chatlas_core::Chat::new(chatlas_providers::auto::auto("openai/gpt-4o")?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`InvalidRequest`](ProviderErrorKind::InvalidRequest) if there is no provider with that name, or
/// it has no default model and none is named; [`Unsupported`](ProviderErrorKind::Unsupported) if its
/// feature is off; [`Authentication`](ProviderErrorKind::Authentication) if an environment variable
/// that it needs is not set. The message contains what to do.
pub fn auto(name: &str) -> Result<Arc<dyn Provider>, ProviderError> {
    let (new, model) = choose(name, variable)?;
    Ok(new(&model))
}

/// Creates the provider that the environment variable `CHATLAS_CHAT_PROVIDER_MODEL` names, in the
/// form of [`auto`].
///
/// # Errors
///
/// Those of [`auto`], and [`InvalidRequest`](ProviderErrorKind::InvalidRequest) if the variable is
/// not set.
pub fn auto_from_env() -> Result<Arc<dyn Provider>, ProviderError> {
    let name = variable(PROVIDER_VARIABLE).ok_or_else(|| {
        ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!(
                "no model is chosen: set the environment variable {PROVIDER_VARIABLE}, \
                 for example to `openai/gpt-4o`"
            ),
        )
    })?;
    auto(&name)
}

/// Returns the constructor of the provider with that name, and the model.
fn choose(
    name: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(New, String), ProviderError> {
    let invalid = |message| ProviderError::new(ProviderErrorKind::InvalidRequest, message);
    let (name, model) = name.split_once('/').unwrap_or((name, ""));
    let (name, model) = (name.trim(), model.trim());
    let Some(entry) = ENTRIES.iter().find(|entry| entry.name.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
        let names = names.join(", ");
        return Err(invalid(format!(
            "there is no provider `{name}`; the supported ones are {names}"
        )));
    };
    let choice = entry.provider.as_ref().ok_or_else(|| {
        ProviderError::new(
            ProviderErrorKind::Unsupported,
            format!(
                "the provider `{}` is not part of this build: turn on the feature `{}` of chatlas",
                entry.name, entry.feature
            ),
        )
    })?;
    let model = Some(model).filter(|model| !model.is_empty()).or(choice.vendor.default_model);
    let model = model.ok_or_else(|| {
        invalid(format!("`{name}` has no default model: name one, as in `{name}/MODEL`"))
    })?;
    match choice.missing_variable(variable) {
        Some(missing) => Err(ProviderError::new(
            ProviderErrorKind::Authentication,
            format!("the provider `{}` needs the environment variable {missing}", entry.name),
        )),
        None => Ok((choice.new, model.to_owned())),
    }
}

impl Choice {
    /// Returns a variable that is needed and not set: that of the key, or a part of the base URL.
    fn missing_variable(&self, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        let keys = [self.vendor.api_key_env, self.other_variables[0], self.other_variables[1]];
        let keys: Vec<&str> = keys.into_iter().flatten().collect();
        if self.needs_key && keys.iter().all(|name| variable(name).is_none()) {
            return Some(keys.join(" or "));
        }
        let parts = self.vendor.base_url.split('{').skip(1);
        let mut parts = parts.filter_map(|part| Some(part.split_once('}')?.0));
        parts.find(|name| variable(name).is_none()).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, set: &[&str]) -> (ProviderErrorKind, String) {
        let variable = |name: &str| set.contains(&name).then(|| "x".to_owned());
        let error = choose(name, variable).map(|_| ()).expect_err("the provider cannot be chosen");
        (error.kind(), error.message().to_owned())
    }

    #[test]
    fn the_error_of_an_unknown_name_lists_the_providers() {
        let (kind, message) = refused("opnai/gpt-4o", &[]);
        assert_eq!(kind, ProviderErrorKind::InvalidRequest);
        assert!(
            message.starts_with("there is no provider `opnai`; the supported ones are openai, ")
        );
        for entry in ENTRIES {
            assert!(message.contains(entry.name), "{message}");
        }
    }

    #[cfg(feature = "openai")]
    #[test]
    fn a_name_chooses_provider_and_model() {
        let all = |_: &str| Some("x".to_owned());
        for (name, model) in [
            ("openai/gpt-4o", "gpt-4o"),
            ("OpenAI / gpt-4o ", "gpt-4o"),
            ("openai", "gpt-5.6-terra"),
            ("openai/", "gpt-5.6-terra"),
            ("openai/ft:a/b", "ft:a/b"),
        ] {
            let (new, chosen) = choose(name, all).unwrap();
            assert_eq!(chosen, model);
            let info = new(&chosen).info().clone();
            assert_eq!((&*info.name, info.model.as_deref()), ("openai", Some(model)));
        }
    }

    #[cfg(feature = "openai")]
    #[test]
    fn the_error_of_a_missing_key_names_its_variable() {
        let (kind, message) = refused("openai/gpt-4o", &[]);
        assert_eq!(kind, ProviderErrorKind::Authentication);
        assert!(message.contains("OPENAI_API_KEY"), "{message}");
    }

    #[cfg(feature = "databricks")]
    #[test]
    fn every_variable_of_the_base_url_is_needed() {
        assert!(refused("databricks", &["DATABRICKS_TOKEN"]).1.ends_with("DATABRICKS_HOST"));
    }

    #[cfg(feature = "ollama")]
    #[test]
    fn a_model_is_needed_if_there_is_no_default() {
        let (kind, message) = refused("ollama", &[]);
        assert_eq!(kind, ProviderErrorKind::InvalidRequest);
        assert!(message.contains("`ollama/MODEL`"), "{message}");
    }

    #[cfg(not(feature = "portkey"))]
    #[test]
    fn the_error_names_a_feature_that_is_off() {
        let (kind, message) = refused("portkey/gpt-5.4", &["PORTKEY_API_KEY"]);
        assert_eq!(kind, ProviderErrorKind::Unsupported);
        assert!(message.contains("turn on the feature `portkey`"), "{message}");
    }

    #[test]
    fn a_provider_is_listed_once() {
        let mut names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
