//! Writes a request for Chat Completions.

use std::borrow::Cow;
use std::iter;

use chatlas_core::content::{
    Content, Media, MediaSource, Refusal, Replay, Text, Thinking, ToolOutcome, ToolRequest,
    ToolResult,
};
use chatlas_core::provider::OutputSchema;
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ProviderError, ProviderErrorKind, Reasoning, ToolChoice, Turn};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::quirks::{ContentOfCalls, DocumentUrls, Quirks, ReasoningForm, ThinkingReplay};
use super::schema::Parameters;
use crate::client::Call;
use crate::client::fields::{ArgumentsText, DataUrl, Fields, ModelText, check_levels, refuse};

/// The field of a call that has Google's signature of a thought.
pub(super) const EXTRA_CONTENT: &str = "extra_content";
/// The field of thinking.
const REASONING: &str = "reasoning_content";
/// The message of the model between the results of tools and a message of the user.
const ACKNOWLEDGEMENT: &str = "Understood.";

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
    /// Refuses a parameter that the API does not have.
    pub(super) fn check(&self) -> Result<(), ProviderError> {
        let params = &self.call.request.params;
        let api = format!("the Chat Completions API of `{}`", self.call.vendor.name);
        if self.quirks.reasoning != ReasoningForm::Object {
            check_levels(&api, params)?;
        }
        refuse(
            &api,
            &[
                ("top_k", params.top_k.is_some() && !self.quirks.top_k),
                ("previous_response_id", params.previous_response_id.is_some()),
            ],
        )
    }

    /// The system prompt, with the schema if the vendor has no other field for it.
    fn system(&self) -> Option<Cow<'_, str>> {
        let prompt = self.call.request.system_prompt.as_deref();
        let prompt = prompt.filter(|text| !text.trim().is_empty());
        let Some(output) = self.call.request.output.as_ref().filter(|_| self.quirks.json_object)
        else {
            return prompt.map(Cow::Borrowed);
        };
        let schema =
            format!("Answer with a JSON object that follows this schema: {}", output.schema);
        Some(prompt.map_or(schema.clone(), |prompt| format!("{prompt}\n\n{schema}")).into())
    }
}

/// Refuses an image or a document that the API cannot express.
pub(super) fn check_media(
    call: &Call<'_>,
    quirks: &Quirks,
    content: &Content,
) -> Result<(), ProviderError> {
    let message = match content {
        Content::Image(Media { source, .. }) => match source {
            MediaSource::Url { .. } | MediaSource::Base64 { .. } => return Ok(()),
            _ => "the Chat Completions API takes images by URL or as data, not by the id of an \
                 uploaded file"
                .to_owned(),
        },
        Content::Document(Media { source, .. }) => match source {
            MediaSource::Base64 { .. } | MediaSource::File { .. } => return Ok(()),
            MediaSource::Url { .. } if quirks.document_urls != DocumentUrls::Unsupported => {
                return Ok(());
            }
            MediaSource::Url { .. } => format!(
                "the Chat Completions API of `{}` takes no document by its URL: \
                 send its bytes, or the id of an uploaded file",
                call.vendor.name
            ),
            _ => "the Chat Completions API does not support this document".to_owned(),
        },
        _ => return Ok(()),
    };
    Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message))
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Returns the field that sets how much the model reasons.
fn reasoning_field(form: ReasoningForm, reasoning: Reasoning) -> (&'static str, Value) {
    match (form, reasoning, reasoning.level()) {
        (ReasoningForm::Object, Reasoning::Budget(tokens), _) => {
            ("reasoning", json!({"max_tokens": tokens}))
        }
        (ReasoningForm::Object, _, level) => ("reasoning", json!({"effort": level})),
        (ReasoningForm::ThinkingSwitch, Reasoning::Off, _) => {
            ("thinking", json!({"type": "disabled"}))
        }
        (_, _, level) => ("reasoning_effort", json!(level)),
    }
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
        if let Some(reasoning) = params.reasoning {
            let (field, value) = reasoning_field(quirks.reasoning, reasoning);
            fields.set(field, &value)?;
        }
        fields.set_some("service_tier", &settings.service_tier)?;
        if settings.logprobs {
            fields.set("logprobs", &true)?;
        }
        fields.set_some("top_logprobs", &settings.top_logprobs)?;
        if !call.tools.is_empty() {
            fields.set("tools", call.tools)?;
            fields.set_some("tool_choice", &params.tool_choice.as_ref().map(tool_choice))?;
        }
        if let Some(output) = &call.request.output {
            fields.set("response_format", &Format::new(output, quirks))?;
        }
        fields.end()
    }
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        other => json!(other),
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
        for turn in body.call.turns {
            if let Some(content) = only_text(turn.contents()) {
                let role = if matches!(**turn, Turn::User(_)) { "user" } else { "assistant" };
                list.serialize_element(&Message { role, content })?;
                continue;
            }
            match &**turn {
                Turn::User(turn) => {
                    // Results have to follow the requests directly.
                    for result in turn.tool_results() {
                        list.serialize_element(&ToolMessage {
                            role: "tool",
                            tool_call_id: &result.id,
                            content: ModelText(&result.outcome),
                        })?;
                    }
                    let parts = user_parts(&turn.contents, body.quirks);
                    if parts.clone().next().is_some() {
                        if body.quirks.separate_results && turn.tool_results().next().is_some() {
                            let content = ACKNOWLEDGEMENT;
                            list.serialize_element(&Message { role: "assistant", content })?;
                        }
                        let content = &Parts { parts, separator: "\n" };
                        list.serialize_element(&Message { role: "user", content })?;
                    }
                }
                Turn::Assistant(turn) => {
                    let message = AssistantMessage { body, contents: &turn.contents };
                    list.serialize_element(&message)?;
                }
                _ => {}
            }
        }
        list.end()
    }
}

/// The text of a turn that consists of it, as most turns do.
fn only_text(contents: &[Content]) -> Option<&str> {
    match contents {
        [Content::Text(Text { text, replay: None, .. })] if !text.trim().is_empty() => Some(text),
        _ => None,
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
            // `check_media` has refused the others.
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
            Content::Text(Text { text, .. }) if !text.trim().is_empty() => {
                Some(Part::Text { text: (&**text).into() })
            }
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

/// The content of a message: a string if all parts are texts, which all servers accept, otherwise the
/// list of parts.
struct Parts<I> {
    parts: I,
    /// The separator of the texts in a string.
    separator: &'static str,
}

impl<'a, I: Iterator<Item = Part<'a>> + Clone> Serialize for Parts<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = self.parts.clone();
        if let (Some(Part::Text { text }), None) = (parts.next(), parts.next()) {
            return serializer.serialize_str(&text);
        }
        let texts: Option<Vec<Cow<'_, str>>> = self.parts.clone().map(Part::into_text).collect();
        match texts {
            Some(texts) => serializer.serialize_str(&texts.join(self.separator)),
            None => serializer.collect_seq(self.parts.clone()),
        }
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
                if self.body.call.is_own(replay) && is_of_message(&replay.item) =>
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
                Content::Text(Text { text, .. }) | Content::Refusal(Refusal { text, .. })
                    if !text.trim().is_empty() =>
                {
                    Some(Part::Text { text: (&**text).into() })
                }
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

    /// The thinking that is sent beside calls which came without `reasoning_content`: DeepSeek
    /// requires the field, and rejects an empty one.
    fn reasoning(&self) -> String {
        let texts = self.contents.iter().filter_map(|content| match content {
            Content::Thinking(thinking) => Some(&*thinking.text),
            _ => None,
        });
        let text: String = texts.collect();
        if text.is_empty() { " ".to_owned() } else { text }
    }
}

/// Whether an item is a field of a message, or its parts. A vendor may have a second API, whose items
/// have other fields.
fn is_of_message(item: &Value) -> bool {
    ["content", REASONING, "reasoning_details", "audio"].iter().any(|key| item.get(key).is_some())
}

fn has_parts(fields: &Map<String, Value>) -> bool {
    fields.get("content").is_some_and(Value::is_array)
}

impl Serialize for AssistantMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let quirks = self.body.quirks;
        let (has_parts, has_calls) = (self.parts().next().is_some(), self.calls().next().is_some());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", "assistant")?;
        if has_parts {
            map.serialize_entry("content", &Parts { parts: self.parts(), separator: "" })?;
        } else if has_calls {
            match quirks.content_of_calls {
                ContentOfCalls::Omitted => {}
                ContentOfCalls::Null => map.serialize_entry("content", &())?,
                ContentOfCalls::Empty => map.serialize_entry("content", "")?,
            }
        }
        if has_calls {
            map.serialize_entry("tool_calls", &Calls(self))?;
            if quirks.thinking_replay == ThinkingReplay::ReasoningContent
                && !self.replayed_fields().any(|fields| fields.contains_key(REASONING))
            {
                map.serialize_entry(REASONING, &self.reasoning())?;
            }
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
        serializer.collect_seq(self.0.calls().map(|call| CallView(self.0.body, call)))
    }
}

/// A call, with the fields that the vendor requires back.
struct CallView<'a>(&'a Body<'a>, &'a ToolRequest);

impl Serialize for CallView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Function<'a> {
            name: &'a str,
            arguments: ArgumentsText<'a>,
        }
        let Self(body, ToolRequest { id, name, arguments, replay, .. }) = self;
        let mut fields = Fields::new(serializer, None)?;
        fields.set("id", id)?;
        fields.set("type", "function")?;
        fields.set("function", &Function { name, arguments: ArgumentsText(arguments) })?;
        if let Some(replay) = replay.as_ref().filter(|replay| body.call.is_own(replay))
            && let Some(extra) = replay.item.get(EXTRA_CONTENT)
        {
            fields.set(EXTRA_CONTENT, extra)?;
        }
        fields.end()
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
            parameters: Parameters<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            strict: Option<bool>,
        }
        let Self(tool) = self;
        let ToolDefinition { name, description, .. } = tool;
        let (parameters, is_strict) = Parameters::new(tool);
        let strict = tool.strict.map(|strict| strict && is_strict);
        let function = Function { name, description, parameters, strict };
        View { r#type: "function", function }.serialize(serializer)
    }
}
