//! The request body of the Responses API, written straight from the conversation.

use std::sync::Arc;

use chatlas_core::content::{Content, Media, MediaSource, Replay, Text, ToolOutcome};
use chatlas_core::{
    ChatRequest, ModelParams, ProviderError, ProviderErrorKind, Reasoning, ToolChoice,
    ToolDefinition, Turn, WebSearch,
};
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::Call;
use crate::client::fields::{ArgumentsText, DataUrl, Fields, ModelText, check_levels};
use crate::completions::schema::Parameters;

/// The settings that only this API has.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) web_search: Option<WebSearch>,
    pub(super) service_tier: Option<String>,
    pub(super) logprobs: bool,
}

/// The body of a request for a reply.
pub(super) struct Body<'a> {
    pub(super) prompt: Prompt<'a>,
    pub(super) stream: bool,
}

/// The fields that input tokens come from: the body of a request to count them.
#[derive(Clone, Copy)]
pub(super) struct Prompt<'a> {
    pub(super) model: &'a str,
    /// The vendor whose items are sent back.
    pub(super) vendor: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) request: &'a ChatRequest,
    pub(super) turns: &'a [Arc<Turn>],
    /// The tool definitions, as [`tools`] wrote them.
    pub(super) tools: &'a [Box<RawValue>],
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Prompt { model, settings, request, .. } = self.prompt;
        let params = &request.params;
        let mut fields = Fields::new(serializer, Some(&params.extra))?;
        self.prompt.write(&mut fields)?;
        fields.set("store", &false)?;
        fields.set("stream", &self.stream)?;
        fields.set_some("temperature", &params.temperature)?;
        fields.set_some("top_p", &params.top_p)?;
        fields.set_some("max_output_tokens", &params.max_tokens)?;
        fields.set_some("service_tier", &settings.service_tier)?;
        let searches = settings.web_search.as_ref().and_then(|search| search.max_uses);
        fields.set_some("max_tool_calls", &searches)?;
        let reasoning = reasons(model).then_some("reasoning.encrypted_content");
        let logprobs = settings.logprobs.then_some("message.output_text.logprobs");
        let include: Vec<&str> = [reasoning, logprobs].into_iter().flatten().collect();
        fields.set_some("include", &(!include.is_empty()).then_some(include))?;
        fields.end()
    }
}

impl Serialize for Prompt<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, None)?;
        self.write(&mut fields)?;
        fields.end()
    }
}

impl Prompt<'_> {
    fn write<M: serde::ser::SerializeMap>(
        &self,
        fields: &mut Fields<'_, M>,
    ) -> Result<(), M::Error> {
        let params = &self.request.params;
        fields.set("model", self.model)?;
        fields.set("input", &Input(self))?;
        let level = params.reasoning.and_then(Reasoning::level);
        fields.set_some("reasoning", &level.map(|effort| Effort { effort }))?;
        fields.set_some("previous_response_id", &params.previous_response_id)?;
        if !self.tools.is_empty() {
            fields.set("tools", self.tools)?;
            fields.set_some("tool_choice", &self.tool_choice())?;
        }
        let output = self.request.output.as_deref();
        fields.set_some(
            "text",
            &output.map(|output| OutputFormat {
                format: Format {
                    kind: "json_schema",
                    name: &output.name,
                    schema: &output.schema,
                    strict: output.strict,
                },
            }),
        )
    }
}

impl Prompt<'_> {
    /// Returns which of the program's tools the model calls. The tools of OpenAI are not among them.
    fn tool_choice(&self) -> Option<Value> {
        let is_offered = !self.request.tools.is_empty();
        let choice = self.request.params.tool_choice.as_ref().filter(|_| is_offered);
        choice.map(|choice| match choice {
            ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
            other => json!(other),
        })
    }
}

#[derive(Serialize)]
struct Effort<'a> {
    effort: &'a str,
}

#[derive(Serialize)]
struct OutputFormat<'a> {
    format: Format<'a>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    schema: &'a Value,
    strict: bool,
}

/// The conversation, or the part of it after the response that the request continues.
struct Input<'a>(&'a Prompt<'a>);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Prompt { model, vendor, request, mut turns, .. } = *self.0;
        let mut system = request.system_prompt.as_deref().filter(|text| !text.trim().is_empty());
        if let Some(id) = &request.params.previous_response_id
            && let Some(index) = turns.iter().rposition(|turn| is_response(turn, id))
        {
            // OpenAI has stored the turns up to here.
            turns = turns.get(index + 1..).unwrap_or_default();
            system = None;
        }
        let mut items = serializer.serialize_seq(None)?;
        if let Some(text) = system {
            items.serialize_element(&Item::message("system", Part::InputText { text }))?;
        }
        for turn in turns {
            match &**turn {
                Turn::User(turn) => {
                    for item in turn.contents.iter().filter_map(Item::of_user) {
                        items.serialize_element(&item)?;
                    }
                }
                Turn::Assistant(turn) => {
                    let own = |replay: &Replay| replay.provider == vendor;
                    // A model that does not reason rejects the reasoning of another one.
                    let is_rejected = !reasons(model) && turn.model.as_deref().is_some_and(reasons);
                    // An item of thinking requires the item that follows it.
                    let mut thinking = Vec::new();
                    for content in &turn.contents {
                        let Some(item) = Item::of_model(content, own) else { continue };
                        if item.is_reasoning() {
                            thinking.push(item);
                            continue;
                        }
                        // An image of the model is a message of the user.
                        if !matches!(item, Item::Message { .. }) {
                            for item in thinking.drain(..).filter(|_| !is_rejected) {
                                items.serialize_element(&item)?;
                            }
                        }
                        items.serialize_element(&item)?;
                    }
                }
                _ => {}
            }
        }
        items.end()
    }
}

fn is_response(turn: &Turn, id: &str) -> bool {
    matches!(turn, Turn::Assistant(turn) if turn.response_id.as_deref() == Some(id))
}

/// An input item.
#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Message {
        role: &'static str,
        content: [Part<'a>; 1],
    },
    /// A text of the model, in the form that has no id.
    Assistant {
        role: &'static str,
        content: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        phase: Option<&'a Value>,
    },
    FunctionCall {
        #[serde(rename = "type")]
        kind: &'static str,
        call_id: &'a str,
        name: &'a str,
        arguments: ArgumentsText<'a>,
    },
    FunctionOutput {
        #[serde(rename = "type")]
        kind: &'static str,
        call_id: &'a str,
        output: Output<'a>,
    },
    /// An item of the vendor, sent back verbatim.
    Verbatim(&'a Value),
}

impl<'a> Item<'a> {
    fn message(role: &'static str, part: Part<'a>) -> Self {
        Self::Message { role, content: [part] }
    }

    fn of_user(content: &'a Content) -> Option<Self> {
        Some(match content {
            Content::ToolResult(result) => Self::FunctionOutput {
                kind: "function_call_output",
                call_id: &result.id,
                output: Output(&result.outcome),
            },
            content => Self::message("user", Part::from_content(content)?),
        })
    }

    /// Returns a content of the model as an input item, or `None` if the API does not accept it back.
    /// `own` is whether an item is the vendor's.
    fn of_model(content: &'a Content, own: impl Fn(&Replay) -> bool) -> Option<Self> {
        let text = |text: &'a str, phase| {
            let is_blank = text.trim().is_empty();
            (!is_blank).then_some(Self::Assistant { role: "assistant", content: text, phase })
        };
        match content {
            Content::Text(Text { text: content, replay, .. }) => {
                let replay = replay.as_ref().filter(|replay| own(replay));
                text(content, replay.and_then(|replay| replay.item.get("phase")))
            }
            Content::Refusal(refusal) => text(&refusal.text, None),
            Content::ToolRequest(request) => Some(Self::FunctionCall {
                kind: "function_call",
                call_id: &request.id,
                name: &request.name,
                arguments: ArgumentsText(&request.arguments),
            }),
            Content::Thinking(thinking) => {
                let replay = thinking.replay.as_ref().filter(|replay| own(replay))?;
                // With `store: false`, OpenAI cannot read an item without its encrypted content:
                // it does not know the id.
                let encrypted = replay.item.get("encrypted_content").is_some_and(Value::is_string);
                encrypted.then_some(Self::Verbatim(&replay.item))
            }
            Content::ServerTool(tool) => {
                own(&tool.replay).then_some(Self::Verbatim(&tool.replay.item))
            }
            Content::Image(_) | Content::Document(_) => {
                Part::from_content(content).map(|part| Self::message("user", part))
            }
            // Citations are part of the text.
            _ => None,
        }
    }

    fn is_reasoning(&self) -> bool {
        matches!(self, Self::Verbatim(item) if item.get("type").is_some_and(|kind| kind == "reasoning"))
    }
}

/// Returns whether a content of the model is sent, whatever follows it.
pub(super) fn is_message(call: &Call<'_>, content: &Content) -> bool {
    let item = Item::of_model(content, |replay| call.is_own(replay));
    item.is_some_and(|item| !item.is_reasoning())
}

/// Refuses an image or a document that the API cannot express.
pub(super) fn check_media(content: &Content) -> Result<(), ProviderError> {
    match content {
        Content::Image(media) | Content::Document(media) => match media.source {
            MediaSource::Url { .. } | MediaSource::Base64 { .. } | MediaSource::File { .. } => {
                Ok(())
            }
            _ => Err(ProviderError::new(
                ProviderErrorKind::InvalidRequest,
                "OpenAI's Responses API accepts no image or document from this source",
            )),
        },
        _ => Ok(()),
    }
}

/// A part of an input item.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::enum_variant_names)] // they are the API's types
enum Part<'a> {
    InputText { text: &'a str },
    InputImage(Image<'a>),
    InputFile(File<'a>),
}

impl<'a> Part<'a> {
    /// Returns a content as a part of the input, or `None` if the API has no such part.
    fn from_content(content: &'a Content) -> Option<Self> {
        match content {
            Content::Text(text) => {
                let is_blank = text.text.trim().is_empty();
                (!is_blank).then_some(Self::InputText { text: &text.text })
            }
            Content::Image(media) => Some(Self::InputImage(Image(media))),
            Content::Document(media) => Some(Self::InputFile(File(media))),
            _ => None,
        }
    }
}

struct Image<'a>(&'a Media);

impl Serialize for Image<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, None)?;
        match &self.0.source {
            MediaSource::File { id, .. } => fields.set("file_id", id)?,
            source => {
                match source {
                    MediaSource::Base64 { mime_type, data } => {
                        fields.set("image_url", &DataUrl { mime_type, data })?;
                    }
                    MediaSource::Url { url } => fields.set("image_url", url)?,
                    _ => return Err(S::Error::custom("OpenAI accepts no image from this source")),
                }
                fields.set("detail", "auto")?;
            }
        }
        fields.end()
    }
}

struct File<'a>(&'a Media);

impl Serialize for File<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, None)?;
        match &self.0.source {
            MediaSource::File { id, .. } => fields.set("file_id", id)?,
            MediaSource::Base64 { mime_type, data } => {
                fields.set("filename", self.0.name.as_deref().unwrap_or("document"))?;
                fields.set("file_data", &DataUrl { mime_type, data })?;
            }
            MediaSource::Url { url } => fields.set("file_url", url)?,
            _ => return Err(S::Error::custom("OpenAI accepts no document from this source")),
        }
        fields.end()
    }
}

/// The result of a tool call: text, or the parts of a rich result.
struct Output<'a>(&'a ToolOutcome);

impl Serialize for Output<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ToolOutcome::Contents(contents) => {
                serializer.collect_seq(contents.iter().filter_map(Part::from_content))
            }
            outcome => ModelText(outcome).serialize(serializer),
        }
    }
}

/// The tool definitions of a request: the functions, then the tools that OpenAI runs.
pub(super) fn tools<'a>(tools: &'a [ToolDefinition], settings: &'a Settings) -> Vec<Tool<'a>> {
    let functions = tools.iter().map(|tool| {
        let (parameters, is_strict) = Parameters::new(tool);
        Tool::Function {
            name: &tool.name,
            description: &tool.description,
            parameters,
            // A schema that is not strict is sent as well: it guides the model.
            strict: tool.strict.unwrap_or(true) && is_strict,
        }
    });
    let search = settings.web_search.as_ref().map(|search| Tool::WebSearch {
        filters: (!search.allowed_domains.is_empty())
            .then_some(Filters { allowed_domains: &search.allowed_domains }),
    });
    functions.chain(search).collect()
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Tool<'a> {
    Function {
        name: &'a str,
        description: &'a str,
        parameters: Parameters<'a>,
        strict: bool,
    },
    WebSearch {
        #[serde(skip_serializing_if = "Option::is_none")]
        filters: Option<Filters<'a>>,
    },
}

#[derive(Serialize)]
pub(super) struct Filters<'a> {
    allowed_domains: &'a [String],
}

/// Refuses the parameters that the API does not have.
pub(super) fn check(params: &ModelParams, settings: &Settings) -> Result<(), ProviderError> {
    check_levels("OpenAI's Responses API", params)?;
    let search = settings.web_search.as_ref();
    crate::client::fields::refuse(
        "OpenAI's Responses API",
        &[
            ("top_k", params.top_k.is_some()),
            ("stop_sequences", !params.stop_sequences.is_empty()),
            ("seed", params.seed.is_some()),
            ("frequency_penalty", params.frequency_penalty.is_some()),
            ("presence_penalty", params.presence_penalty.is_some()),
            ("choice_count", params.choice_count.is_some_and(|count| count != 1)),
            (
                "blocked_domains of web_search",
                search.is_some_and(|search| !search.blocked_domains.is_empty()),
            ),
        ],
    )
}

/// Returns whether the model reasons before it answers. Such a model is asked for its encrypted
/// reasoning, to be sent back; other models, and the `chat` models since GPT-5, refuse that
/// request.
fn reasons(model: &str) -> bool {
    // A fine-tuned model is named `ft:BASE:OWNER…`.
    let model = model.strip_prefix("ft:").unwrap_or(model);
    let number = |name: &str| -> Option<u32> {
        let rest = model.strip_prefix(name)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    (number("gpt-").is_some_and(|number| number >= 5) && !model.contains("-chat"))
        || number("o").is_some()
}
