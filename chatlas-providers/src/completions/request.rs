//! Writes a request for Chat Completions.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::iter;

use chatlas_core::content::{
    Content, Media, MediaSource, Replay, Text, Thinking, ToolOutcome, ToolRequest, ToolResult,
};
use chatlas_core::provider::OutputSchema;
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ProviderError, ProviderErrorKind, Turn};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::quirks::{DocumentUrls, Quirks};
use crate::client::Call;
use crate::client::fields::{DataUrl, Fields, JsonText, ModelText, refuse};

/// The settings beside the parameters of the model.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) service_tier: Option<String>,
    pub(super) logprobs: bool,
    pub(super) top_logprobs: Option<u8>,
}

/// The body of a request.
pub(super) struct Body<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) quirks: &'a Quirks,
    pub(super) settings: &'a Settings,
}

impl Body<'_> {
    /// Refuses what the API cannot express: a parameter that would be dropped in silence, a document
    /// that cannot be sent.
    pub(super) fn check(&self) -> Result<(), ProviderError> {
        let params = &self.call.request.params;
        let api = format!("the Chat Completions API of `{}`", self.call.vendor.name);
        refuse(
            &api,
            &[
                ("top_k", params.top_k.is_some() && !self.quirks.top_k),
                ("previous_response_id", params.previous_response_id.is_some()),
            ],
        )?;
        for turn in &self.call.request.turns {
            if let Turn::User(turn) = &**turn {
                turn.contents
                    .iter()
                    .flat_map(with_returned)
                    .try_for_each(|c| self.check_media(c))?;
            }
        }
        Ok(())
    }

    fn check_media(&self, content: &Content) -> Result<(), ProviderError> {
        let takes_urls = self.quirks.document_urls != DocumentUrls::Unsupported;
        let message = match content {
            Content::Image(Media { source, .. }) => match source {
                MediaSource::Url { .. } | MediaSource::Base64 { .. } => return Ok(()),
                _ => {
                    "the Chat Completions API takes images by URL or as data, not by the id of an \
                      uploaded file"
                        .to_owned()
                }
            },
            Content::Document(Media { source, .. }) => match source {
                MediaSource::Base64 { .. } | MediaSource::File { .. } => return Ok(()),
                MediaSource::Url { .. } if takes_urls => return Ok(()),
                MediaSource::Url { .. } => format!(
                    "the Chat Completions API of `{}` takes no document by its URL: \
                     send its bytes, or the id of an uploaded file",
                    self.call.vendor.name
                ),
                _ => "the Chat Completions API does not support this document".to_owned(),
            },
            _ => return Ok(()),
        };
        Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message))
    }

    /// The system prompt, with the schema if the vendor has no other field for it.
    fn system(&self) -> Option<Cow<'_, str>> {
        let prompt = self.call.request.system_prompt.as_deref();
        let Some(output) = self.call.request.output.as_ref().filter(|_| self.quirks.json_object)
        else {
            return prompt.map(Cow::Borrowed);
        };
        let schema =
            format!("Answer with a JSON object that follows this schema: {}", output.schema);
        Some(prompt.map_or(schema.clone(), |prompt| format!("{prompt}\n\n{schema}")).into())
    }

    /// The id of a tool call, in a form that the vendor accepts: the same for the same id.
    fn call_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        let is_short = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_short || !self.quirks.short_call_ids {
            return id.into();
        }
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        // Nine hexadecimal digits are 36 bits.
        format!("{:09x}", hasher.finish() >> 28).into()
    }

    fn is_own(&self, replay: &Replay) -> bool {
        replay.provider == self.call.vendor.name
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Effort<'a> {
    effort: &'a str,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { call, quirks, settings } = self;
        let params = &call.request.params;
        let mut fields = Fields::new(serializer, Some(&params.extra))?;
        fields.set("model", call.model)?;
        fields.set("messages", &Messages(self))?;
        fields.set("stream", &call.is_streamed())?;
        if call.is_streamed() && quirks.stream_options {
            fields.set("stream_options", &StreamOptions { include_usage: true })?;
        }
        fields.set_some("temperature", &params.temperature)?;
        fields.set_some("top_p", &params.top_p)?;
        fields.set_some("top_k", &params.top_k)?;
        fields.set_some(quirks.max_tokens_field, &params.max_tokens)?;
        if !params.stop_sequences.is_empty() {
            fields.set("stop", &params.stop_sequences)?;
        }
        fields.set_some(quirks.seed_field, &params.seed)?;
        fields.set_some("frequency_penalty", &params.frequency_penalty)?;
        fields.set_some("presence_penalty", &params.presence_penalty)?;
        fields.set_some("n", &params.choice_count)?;
        match params.reasoning_level.as_deref() {
            Some(effort) if quirks.reasoning_object => {
                fields.set("reasoning", &Effort { effort })?;
            }
            effort => fields.set_some("reasoning_effort", &effort)?,
        }
        fields.set_some("service_tier", &settings.service_tier)?;
        if settings.logprobs {
            fields.set("logprobs", &true)?;
        }
        fields.set_some("top_logprobs", &settings.top_logprobs)?;
        if !call.tools.is_empty() {
            fields.set("tools", call.tools)?;
        }
        if let Some(output) = &call.request.output {
            fields.set("response_format", &Format::new(output, quirks))?;
        }
        fields.end()
    }
}

/// The form that the reply has to follow.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names)]
struct Schema<'a> {
    name: &'a str,
    schema: &'a Value,
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

impl<'a> Format<'a> {
    fn new(output: &'a OutputSchema, quirks: &Quirks) -> Self {
        if quirks.json_object {
            return Self::JsonObject;
        }
        let OutputSchema { name, schema, strict, .. } = output;
        let description = schema.get("description").and_then(Value::as_str);
        Self::JsonSchema { json_schema: Schema { name, schema, strict: *strict, description } }
    }
}

struct Messages<'a>(&'a Body<'a>);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = self.0;
        let mut list = serializer.serialize_seq(None)?;
        if let Some(prompt) = body.system() {
            list.serialize_element(&Message { role: "system", content: &prompt })?;
        }
        for turn in &body.call.request.turns {
            match &**turn {
                Turn::User(turn) => {
                    // Results have to follow the requests directly.
                    for result in turn.tool_results() {
                        list.serialize_element(&ToolMessage {
                            role: "tool",
                            tool_call_id: &body.call_id(&result.id),
                            content: ModelText(&result.outcome),
                        })?;
                    }
                    let parts = user_parts(&turn.contents, body.quirks);
                    if parts.clone().next().is_some() {
                        let content = &Parts { body, parts };
                        list.serialize_element(&Message { role: "user", content })?;
                    }
                }
                Turn::Assistant(turn) => {
                    let message = AssistantMessage { body, contents: &turn.contents };
                    if !message.is_empty() {
                        list.serialize_element(&message)?;
                    }
                }
                _ => {}
            }
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Message<'a, C: ?Sized> {
    role: &'static str,
    content: &'a C,
}

#[derive(Serialize)]
struct ToolMessage<'a> {
    role: &'static str,
    tool_call_id: &'a str,
    content: ModelText<'a>,
}

/// A part of a message.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Refusal {
        refusal: &'a str,
    },
    ImageUrl {
        image_url: ImageUrl<'a>,
    },
    InputAudio {
        input_audio: Audio<'a>,
    },
    File {
        file: File<'a>,
    },
    DocumentUrl {
        document_url: &'a str,
    },
    /// A part that the vendor requires back.
    #[serde(untagged)]
    Replay(&'a Value),
}

#[derive(Clone, Serialize)]
struct ImageUrl<'a> {
    url: Source<'a>,
}

#[derive(Clone, Serialize)]
struct Audio<'a> {
    data: &'a str,
    format: &'a str,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum File<'a> {
    Id { file_id: &'a str },
    Data { filename: &'a str, file_data: Source<'a> },
}

/// The URL of a medium: its own, or one that contains the data.
#[derive(Clone)]
struct Source<'a>(&'a MediaSource);

impl Serialize for Source<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            MediaSource::Url { url } => serializer.serialize_str(url),
            MediaSource::Base64 { mime_type, data } => {
                DataUrl { mime_type, data }.serialize(serializer)
            }
            // `Body::check` has refused the others.
            _ => serializer.serialize_str(""),
        }
    }
}

/// The images and documents of a content: itself, and those that a tool returned.
fn with_returned(content: &Content) -> impl Iterator<Item = &Content> + Clone {
    let returned = match content {
        Content::ToolResult(ToolResult { outcome: ToolOutcome::Contents(contents), .. }) => {
            contents
        }
        _ => &[][..],
    };
    iter::once(content).chain(returned)
}

/// The parts of a user message. A tool message takes text alone, so that images and documents that a
/// tool returned are parts of the user message that follows.
fn user_parts<'a>(
    contents: &'a [Content],
    quirks: &'a Quirks,
) -> impl Iterator<Item = Part<'a>> + Clone {
    contents.iter().flat_map(move |content| {
        let own = match content {
            Content::Text(text) => Some(Part::Text { text: (&*text.text).into() }),
            Content::ToolResult(ToolResult { id, name, .. }) => {
                let has_media = with_returned(content).any(|c| media_part(c, quirks).is_some());
                let intro = || format!("The tool call {id} of `{name}` returned:").into();
                has_media.then(|| Part::Text { text: intro() })
            }
            _ => None,
        };
        own.into_iter().chain(with_returned(content).filter_map(|c| media_part(c, quirks)))
    })
}

fn media_part<'a>(content: &'a Content, quirks: &Quirks) -> Option<Part<'a>> {
    let media = match content {
        Content::Image(media) => {
            return Some(Part::ImageUrl { image_url: ImageUrl { url: Source(&media.source) } });
        }
        Content::Document(media) => media,
        _ => return None,
    };
    Some(match &media.source {
        MediaSource::Base64 { mime_type, data } if mime_type.starts_with("audio/") => {
            let format = mime_type.trim_start_matches("audio/");
            let format = if format == "mpeg" { "mp3" } else { format.trim_start_matches("x-") };
            Part::InputAudio { input_audio: Audio { data, format } }
        }
        MediaSource::File { id, .. } => Part::File { file: File::Id { file_id: id } },
        MediaSource::Url { url } if quirks.document_urls == DocumentUrls::Part => {
            Part::DocumentUrl { document_url: url }
        }
        source => {
            let filename = media.name.as_deref().unwrap_or("document");
            Part::File { file: File::Data { filename, file_data: Source(source) } }
        }
    })
}

/// The parts of a message, as the vendor takes them.
struct Parts<'a, I> {
    body: &'a Body<'a>,
    parts: I,
}

impl<'a, I: Iterator<Item = Part<'a>> + Clone> Serialize for Parts<'a, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.body.quirks.plain_text {
            let texts: Option<Vec<Cow<'_, str>>> =
                self.parts.clone().map(Part::into_text).collect();
            if let Some(texts) = texts {
                return serializer.serialize_str(&texts.join("\n"));
            }
        }
        serializer.collect_seq(self.parts.clone())
    }
}

impl<'a> Part<'a> {
    /// The text of a part of the type `text`.
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text { text } => Some(text),
            Self::Replay(part) if part.get("type").is_some_and(|kind| kind == "text") => {
                Some(part.get("text").and_then(Value::as_str).unwrap_or_default().into())
            }
            _ => None,
        }
    }
}

/// The message of an assistant turn.
struct AssistantMessage<'a> {
    body: &'a Body<'a>,
    contents: &'a [Content],
}

impl<'a> AssistantMessage<'a> {
    /// The items that the vendor requires back and that are fields of the message.
    fn replayed_fields(&self) -> impl Iterator<Item = &'a Map<String, Value>> + Clone + '_ {
        self.contents.iter().filter_map(|content| match self.replay(content)?.item {
            Value::Object(ref fields) if !has_parts(fields) => Some(fields),
            _ => None,
        })
    }

    /// The item of a content that the vendor requires back instead of the text.
    fn replay(&self, content: &'a Content) -> Option<&'a Replay> {
        match content {
            Content::Text(Text { replay: Some(replay), .. })
            | Content::Thinking(Thinking { replay: Some(replay), .. })
                if self.body.is_own(replay) =>
            {
                Some(replay)
            }
            _ => None,
        }
    }

    fn parts(&self) -> impl Iterator<Item = Part<'a>> + Clone + '_ {
        self.contents.iter().flat_map(|content| {
            let replay = self.replay(content);
            // Thinking that was a part of the content, not a field beside it.
            let replayed = replay.and_then(|replay| replay.item.get("content")?.as_array());
            let own = match content {
                _ if replay.is_some() => None,
                // Some servers reject a text of blanks.
                Content::Text(text) if text.text.trim().is_empty() => None,
                Content::Text(text) => Some(Part::Text { text: (&*text.text).into() }),
                Content::Refusal(refusal) => Some(Part::Refusal { refusal: &refusal.text }),
                // Citations are in the text; items of other vendors are not sent.
                _ => None,
            };
            own.into_iter().chain(replayed.into_iter().flatten().map(Part::Replay))
        })
    }

    fn calls(&self) -> impl Iterator<Item = &'a ToolRequest> + Clone + '_ {
        self.contents.iter().filter_map(|content| match content {
            Content::ToolRequest(request) => Some(request),
            _ => None,
        })
    }

    /// Whether the API would take nothing of the turn back. Thinking alone is not a message.
    fn is_empty(&self) -> bool {
        self.parts().next().is_none()
            && self.calls().next().is_none()
            && !self.replayed_fields().any(|fields| fields.contains_key("audio"))
    }
}

fn has_parts(fields: &Map<String, Value>) -> bool {
    fields.get("content").is_some_and(Value::is_array)
}

impl Serialize for AssistantMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (has_parts, has_calls) = (self.parts().next().is_some(), self.calls().next().is_some());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", "assistant")?;
        if has_parts {
            map.serialize_entry("content", &Parts { body: self.body, parts: self.parts() })?;
        }
        if has_calls {
            map.serialize_entry("tool_calls", &Calls(self))?;
        }
        let mut replayed = self.replayed_fields();
        while let Some(fields) = replayed.next() {
            for (name, value) in fields {
                let is_written = name == "role"
                    || (name == "content" && has_parts)
                    || (name == "tool_calls" && has_calls)
                    || replayed.clone().any(|later| later.contains_key(name));
                if !is_written {
                    map.serialize_entry(name, value)?;
                }
            }
        }
        map.end()
    }
}

struct Calls<'a>(&'a AssistantMessage<'a>);

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            id: Cow<'a, str>,
            r#type: &'static str,
            function: Function<'a>,
        }
        #[derive(Serialize)]
        struct Function<'a> {
            name: &'a str,
            arguments: JsonText<'a>,
        }
        serializer.collect_seq(self.0.calls().map(|request| View {
            id: self.0.body.call_id(&request.id),
            r#type: "function",
            function: Function { name: &request.name, arguments: JsonText(&request.arguments) },
        }))
    }
}

/// A tool definition.
pub(super) struct Tool<'a>(pub(super) &'a ToolDefinition);

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            r#type: &'static str,
            function: Function<'a>,
        }
        #[derive(Serialize)]
        struct Function<'a> {
            name: &'a str,
            description: &'a str,
            parameters: &'a Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            strict: Option<bool>,
        }
        let Self(ToolDefinition { name, description, parameters, strict, .. }) = self;
        let function = Function { name, description, parameters, strict: *strict };
        View { r#type: "function", function }.serialize(serializer)
    }
}
