//! A provider by its name, as a setting of a program gives it: `openai/gpt-4o`.

use std::sync::Arc;

use chatlas_core::{Provider, ProviderError, ProviderErrorKind};

use crate::http::variable;

/// The environment variable of [`auto_from_env`].
pub const PROVIDER_VARIABLE: &str = "CHATLAS_CHAT_PROVIDER_MODEL";

type Make = fn(&str) -> Arc<dyn Provider>;

/// A provider that can be asked for by name.
struct Known {
    name: &'static str,
    feature: &'static str,
    /// Environment variables without which it cannot work: of each row, one has to be set.
    needs: &'static [&'static [&'static str]],
    default_model: Option<&'static str>,
    /// `None` where its feature is off.
    make: Option<Make>,
}

macro_rules! known {
    ($name:literal, $feature:tt, [$([$($need:literal),+]),*], $default:expr, $provider:expr) => {
        Known {
            name: $name,
            feature: $feature,
            needs: &[$(&[$($need),+]),*],
            default_model: $default,
            #[cfg(feature = $feature)]
            make: Some(|model| Arc::new($provider(model))),
            #[cfg(not(feature = $feature))]
            make: None,
        }
    };
}

/// All of them, each with its feature, what it needs, and the model where none is named.
#[rustfmt::skip]
const KNOWN: &[Known] = &[
    known!("openai", "openai", [["OPENAI_API_KEY", "OPENAI_BASE_URL"]], Some("gpt-5.6-terra"), crate::openai::OpenAi::new),
    known!("openai-completions", "openai", [["OPENAI_API_KEY", "OPENAI_BASE_URL"]], Some("gpt-5.6-terra"), crate::completions::OpenAiCompletions::new),
    known!("anthropic", "anthropic", [["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"]], Some("claude-sonnet-5"), crate::anthropic::Anthropic::new),
    known!("bedrock", "bedrock", [], Some("us.anthropic.claude-sonnet-5"), crate::bedrock::Bedrock::new),
    known!("google", "google", [["GOOGLE_API_KEY", "GEMINI_API_KEY"]], Some("gemini-3.5-flash"), crate::google::Gemini::new),
    known!("vertex", "vertex", [], Some("gemini-3.5-flash"), crate::google::Vertex::new),
    known!("azure-openai", "azure", [["AZURE_OPENAI_API_KEY"], ["AZURE_OPENAI_ENDPOINT"]], None, crate::azure::AzureOpenAi::new),
    known!("azure-openai-completions", "azure", [["AZURE_OPENAI_API_KEY"], ["AZURE_OPENAI_ENDPOINT"]], None, crate::azure::AzureOpenAiCompletions::new),
    known!("cloudflare", "cloudflare", [["CLOUDFLARE_API_KEY"], ["CLOUDFLARE_ACCOUNT_ID"]], Some("@cf/meta/llama-3.3-70b-instruct-fp8-fast"), crate::vendors::Cloudflare::new),
    known!("databricks", "databricks", [["DATABRICKS_TOKEN"], ["DATABRICKS_HOST"]], Some("databricks-claude-sonnet-4-6"), crate::vendors::Databricks::new),
    known!("deepseek", "deepseek", [["DEEPSEEK_API_KEY"]], Some("deepseek-v4-flash"), crate::vendors::DeepSeek::new),
    known!("groq", "groq", [["GROQ_API_KEY"]], Some("openai/gpt-oss-20b"), crate::vendors::Groq::new),
    known!("huggingface", "huggingface", [["HUGGINGFACE_API_KEY"]], Some("Qwen/Qwen3-235B-A22B-Instruct-2507"), crate::vendors::HuggingFace::new),
    known!("lm-studio", "lm-studio", [], None, crate::vendors::LmStudio::new),
    known!("mistral", "mistral", [["MISTRAL_API_KEY"]], Some("mistral-large-latest"), crate::vendors::Mistral::new),
    known!("ollama", "ollama", [], None, crate::vendors::Ollama::new),
    known!("openrouter", "openrouter", [["OPENROUTER_API_KEY"]], Some("gpt-5.6-terra"), crate::vendors::OpenRouter::new),
    known!("perplexity", "perplexity", [["PERPLEXITY_API_KEY"]], Some("sonar"), crate::vendors::Perplexity::new),
    known!("portkey", "portkey", [["PORTKEY_API_KEY"]], Some("gpt-5.4"), crate::vendors::Portkey::new),
];

/// The provider of that name: `provider/model`, or `provider` alone for its usual model.
///
/// ```no_run
/// # fn example() -> Result<(), chatlas_core::ProviderError> {
/// let chat = chatlas_core::Chat::with_provider(chatlas_providers::auto::auto("openai/gpt-4o")?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`InvalidRequest`](ProviderErrorKind::InvalidRequest) where there is no provider of that name,
/// or it has no usual model and none is named; [`Unsupported`](ProviderErrorKind::Unsupported) where
/// its feature is off; [`Authentication`](ProviderErrorKind::Authentication) where an environment
/// variable is not set that it needs. The message says what to do.
pub fn auto(name: &str) -> Result<Arc<dyn Provider>, ProviderError> {
    let (make, model) = choose(name, variable)?;
    Ok(make(model))
}

/// The provider that the environment variable `CHATLAS_CHAT_PROVIDER_MODEL` names, as [`auto`]
/// takes it.
///
/// # Errors
///
/// Those of [`auto`], and [`InvalidRequest`](ProviderErrorKind::InvalidRequest) where the variable
/// is not set.
pub fn auto_from_env() -> Result<Arc<dyn Provider>, ProviderError> {
    let name = variable(PROVIDER_VARIABLE).ok_or_else(|| {
        ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!(
                "no model is chosen: set the environment variable {PROVIDER_VARIABLE}, \
                 to `openai/gpt-4o` for example"
            ),
        )
    })?;
    auto(&name)
}

/// How the provider of that name is made, and with which model.
fn choose(
    name: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Make, &str), ProviderError> {
    let (name, model) = name.split_once('/').unwrap_or((name, ""));
    let (name, model) = (name.trim(), model.trim());
    let known = KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name));
    let known = known.ok_or_else(|| {
        let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("there is no provider `{name}`; known are {}", names.join(", ")),
        )
    })?;
    let make = known.make.ok_or_else(|| {
        ProviderError::new(
            ProviderErrorKind::Unsupported,
            format!(
                "the provider `{}` is not part of this build: turn on the feature `{}` of chatlas",
                known.name, known.feature
            ),
        )
    })?;
    let model = Some(model).filter(|model| !model.is_empty()).or(known.default_model);
    let model = model.ok_or_else(|| {
        ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("`{name}` has no usual model: name one, as in `{name}/MODEL`"),
        )
    })?;
    for any in known.needs {
        if any.iter().all(|name| variable(name).is_none()) {
            return Err(ProviderError::new(
                ProviderErrorKind::Authentication,
                format!(
                    "the provider `{}` needs the environment variable {}",
                    known.name,
                    any.join(" or ")
                ),
            ));
        }
    }
    Ok((make, model))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, set: &[&str]) -> (ProviderErrorKind, String) {
        let variable = |name: &str| set.contains(&name).then(|| "x".to_owned());
        let error = choose(name, variable).map(|_| ()).expect_err("it cannot be chosen");
        (error.kind(), error.message().to_owned())
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_are_known() {
        let (kind, message) = refused("opnai/gpt-4o", &[]);
        assert_eq!(kind, ProviderErrorKind::InvalidRequest);
        assert!(message.starts_with("there is no provider `opnai`; known are openai, "));
        for known in KNOWN {
            assert!(message.contains(known.name), "{message}");
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
            let (make, chosen) = choose(name, all).unwrap();
            assert_eq!(chosen, model);
            let info = make(chosen).info().clone();
            assert_eq!((&*info.name, info.model.as_deref()), ("openai", Some(model)));
        }
    }

    #[cfg(feature = "openai")]
    #[test]
    fn a_missing_key_names_its_variable() {
        let (kind, message) = refused("openai/gpt-4o", &[]);
        assert_eq!(kind, ProviderErrorKind::Authentication);
        assert!(message.contains("OPENAI_API_KEY"), "{message}");
    }

    #[cfg(feature = "databricks")]
    #[test]
    fn all_that_is_needed_is_asked_for() {
        assert!(refused("databricks", &["DATABRICKS_TOKEN"]).1.ends_with("DATABRICKS_HOST"));
    }

    #[cfg(feature = "ollama")]
    #[test]
    fn a_model_is_asked_for_where_none_is_usual() {
        let (kind, message) = refused("ollama", &[]);
        assert_eq!(kind, ProviderErrorKind::InvalidRequest);
        assert!(message.contains("`ollama/MODEL`"), "{message}");
    }

    #[cfg(not(feature = "portkey"))]
    #[test]
    fn a_feature_that_is_off_is_named() {
        let (kind, message) = refused("portkey/gpt-5.4", &["PORTKEY_API_KEY"]);
        assert_eq!(kind, ProviderErrorKind::Unsupported);
        assert!(message.contains("turn on the feature `portkey`"), "{message}");
    }

    #[test]
    fn a_provider_is_listed_once() {
        let mut names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
