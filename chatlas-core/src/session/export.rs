//! What an export contains, and the parts that Markdown and HTML have in common.

use super::Session;
use crate::content::{Content, Media, MediaSource, ToolOutcome};
use crate::turn::Turn;

/// Which parts of a conversation [`Session::to_markdown`] and [`Session::to_html`] include.
///
/// By default, an export has the texts of the user and the model, and the names of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Whether the system prompt is included.
    pub system_prompt: bool,
    /// Whether the model's thinking is included.
    pub thinking: bool,
    /// Whether tool calls and their results are included.
    pub tools: bool,
}

impl ExportOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the system prompt is included.
    #[must_use]
    pub fn with_system_prompt(mut self, on: bool) -> Self {
        self.system_prompt = on;
        self
    }

    /// Sets whether the model's thinking is included.
    #[must_use]
    pub fn with_thinking(mut self, on: bool) -> Self {
        self.thinking = on;
        self
    }

    /// Sets whether tool calls and their results are included.
    #[must_use]
    pub fn with_tools(mut self, on: bool) -> Self {
        self.tools = on;
        self
    }
}

/// A section of an export: a heading with its blocks.
pub(super) struct Section {
    pub(super) heading: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// A block of an export.
pub(super) enum Block {
    /// Text of the user or the model, which may be Markdown.
    Text(String),
    /// Text with a label that is shown verbatim, such as the arguments of a tool call.
    Verbatim { label: String, text: String },
}

/// Returns the title of an export.
pub(super) fn title(session: &Session) -> &str {
    session.title.as_deref().unwrap_or("Conversation")
}

/// Returns the sections of an export, without those that are empty.
pub(super) fn sections(session: &Session, options: ExportOptions) -> Vec<Section> {
    let system = session.system_prompt.as_ref().filter(|_| options.system_prompt);
    let system = system.map(|prompt| Section {
        heading: "System prompt",
        blocks: vec![Block::Text(prompt.clone())],
    });
    let turns = session.turns.iter().map(|turn| Section {
        heading: heading(turn),
        blocks: turn.contents().iter().filter_map(|content| block(content, options)).collect(),
    });
    system.into_iter().chain(turns).filter(|section| !section.blocks.is_empty()).collect()
}

fn heading(turn: &Turn) -> &'static str {
    let is_result = |content: &Content| matches!(content, Content::ToolResult(_));
    match turn {
        Turn::User(turn) if turn.contents.iter().all(is_result) => "Tools",
        Turn::User(_) => "User",
        Turn::Assistant(_) => "Assistant",
    }
}

fn block(content: &Content, options: ExportOptions) -> Option<Block> {
    let verbatim = |label: String, text: String| Some(Block::Verbatim { label, text });
    match content {
        Content::Text(text) => Some(Block::Text(text.text.clone())),
        Content::Refusal(refusal) => Some(Block::Text(refusal.text.clone())),
        Content::Thinking(thinking) if options.thinking && !thinking.text.is_empty() => {
            verbatim("Thinking".to_owned(), thinking.text.clone())
        }
        Content::ToolRequest(request) if options.tools => {
            let arguments = serde_json::to_string_pretty(&request.arguments).unwrap_or_default();
            verbatim(format!("Tool call: {}", request.name), arguments)
        }
        Content::ToolResult(result) if options.tools => {
            let kind = match result.outcome {
                ToolOutcome::Error(_) => "Tool error",
                _ => "Tool result",
            };
            verbatim(format!("{kind}: {}", result.name), result.outcome.to_model_text())
        }
        Content::ServerTool(call) if options.tools => {
            verbatim(format!("Tool of the vendor: {}", call.name), String::new())
        }
        Content::Image(media) => verbatim("Image".to_owned(), describe(media)),
        Content::Document(media) => verbatim("Document".to_owned(), describe(media)),
        Content::Citation(citation) => {
            let parts = [&citation.title, &citation.url, &citation.quote];
            let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
            verbatim("Source".to_owned(), parts.join("\n"))
        }
        Content::Thinking(_)
        | Content::ToolRequest(_)
        | Content::ToolResult(_)
        | Content::ServerTool(_) => None,
    }
}

/// Returns the name or the location of a medium. Its bytes are not exported.
fn describe(media: &Media) -> String {
    match (&media.name, &media.source) {
        (Some(name), _) => name.clone(),
        (None, MediaSource::Url { url }) => url.clone(),
        (None, MediaSource::Base64 { mime_type, .. }) => mime_type.clone(),
        (None, MediaSource::File { id, .. }) => id.clone(),
    }
}
