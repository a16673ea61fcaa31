//! Prompts from templates, in the syntax of [Jinja](https://docs.rs/minijinja). Their name and version
//! are recorded on the `chat` spans.

use std::fmt;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::Chat;
use crate::serde::Serialize;
use crate::telemetry::names;

/// A prompt with named values.
///
/// ```
/// use chatlas::templates::Template;
/// use serde_json::json;
///
/// # fn main() -> Result<(), chatlas::templates::TemplateError> {
/// let template = Template::new("packing", "What should I pack for {{ city }} in {{ month }}?")?;
/// let prompt = template.render(json!({"city": "Tokyo", "month": "May"}))?;
/// assert_eq!(prompt, "What should I pack for Tokyo in May?");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    version: Option<String>,
    environment: Environment<'static>,
}

impl Template {
    /// Creates a template from its name and its source. The name is recorded as `gen_ai.prompt.name`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] if the syntax of the source is invalid.
    pub fn new(name: impl Into<String>, source: impl Into<String>) -> Result<Self, TemplateError> {
        let name = name.into();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // The default escapes HTML if the name of a template ends in `.html`.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_template_owned(name.clone(), source.into()).map_err(TemplateError)?;
        Ok(Self { name, version: None, environment })
    }

    /// Sets the version, recorded as `gen_ai.prompt.version`.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns the text with these values, a struct or a map. The text is not escaped.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] if a value is missing or cannot be serialized.
    pub fn render(&self, values: impl Serialize) -> Result<String, TemplateError> {
        let template = self.environment.get_template(&self.name).map_err(TemplateError)?;
        template.render(Serde(values)).map_err(TemplateError)
    }

    /// Returns the text with these values, as a prompt for that chat. Its `chat` spans have the name and
    /// the version of this template until another template is used.
    ///
    /// ```no_run
    /// # use chatlas::{Chat, templates::Template};
    /// # async fn example(chat: &mut Chat, template: Template) -> Result<(), Box<dyn std::error::Error>> {
    /// let prompt = template.prompt_for(chat, serde_json::json!({"city": "Tokyo", "month": "May"}))?;
    /// let reply = chat.chat(prompt).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`render`](Self::render).
    pub fn prompt_for(
        &self,
        chat: &mut Chat,
        values: impl Serialize,
    ) -> Result<String, TemplateError> {
        let text = self.render(values)?;
        chat.set_attribute(names::PROMPT_NAME, self.name.clone());
        // An empty value replaces the version of an earlier template, and is not recorded.
        chat.set_attribute(names::PROMPT_VERSION, self.version.clone().unwrap_or_default());
        Ok(text)
    }

    /// Sets the system prompt of that chat to the text with these values. Its `chat` spans have the name
    /// and the version of this template.
    ///
    /// # Errors
    ///
    /// Those of [`render`](Self::render). The chat is unchanged then.
    pub fn set_system_prompt(
        &self,
        chat: &mut Chat,
        values: impl Serialize,
    ) -> Result<(), TemplateError> {
        let text = self.prompt_for(chat, values)?;
        chat.set_system_prompt(Some(text));
        Ok(())
    }
}

/// The error of a template: invalid syntax, or a missing value.
#[derive(Debug)]
pub struct TemplateError(minijinja::Error);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for TemplateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}
