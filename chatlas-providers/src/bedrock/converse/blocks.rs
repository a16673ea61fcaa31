//! Turns as the content blocks of the Converse API.

use chatlas_core::content::{Content, Media, MediaSource, Replay, ToolOutcome, ToolResult};
use chatlas_core::{ProviderError, ProviderErrorKind, Turn};
use serde_json::{Value, json};

use crate::anthropic::blocks::{NO_TEXT, id, input};
use crate::bedrock::PROVIDER;
use crate::data_url;

/// The longest id of a call.
const LONGEST_ID: usize = 64;

/// What a turn says, as blocks; empty where nothing of it can be sent.
pub(super) fn of(turn: &Turn, cites: bool) -> Result<Vec<Value>, ProviderError> {
    match turn {
        Turn::User(turn) => {
            // The answers to the model's calls come before anything else.
            let (results, rest): (Vec<_>, Vec<_>) =
                turn.contents.iter().partition(|content| matches!(content, Content::ToolResult(_)));
            let contents = results.into_iter().chain(rest);
            let mut blocks = contents
                .filter_map(|content| said_by_user(content, cites).transpose())
                .collect::<Result<Vec<_>, _>>()?;
            if blocks.is_empty() {
                blocks.push(json!({"text": NO_TEXT}));
            }
            Ok(blocks)
        }
        Turn::Assistant(turn) => Ok(turn.contents.iter().filter_map(said_by_model).collect()),
        _ => Ok(Vec::new()),
    }
}

/// A text as a block; the API refuses one that is blank.
fn text(said: &str) -> Option<Value> {
    (!said.trim().is_empty()).then(|| json!({"text": said}))
}

fn said_by_user(content: &Content, cites: bool) -> Result<Option<Value>, ProviderError> {
    Ok(match content {
        Content::Text(said) => text(&said.text),
        Content::Image(media) => Some(json!({"image": {
            "format": image_format(media)?,
            "source": source(media, "images")?,
        }})),
        Content::Document(media) => Some(document(media, cites)?),
        Content::ToolResult(result) => Some(tool_result(result, cites)?),
        // The model says the rest.
        _ => None,
    })
}

fn said_by_model(content: &Content) -> Option<Value> {
    match content {
        Content::Text(said) => text(&said.text),
        Content::Refusal(refusal) => text(&refusal.text),
        Content::ToolRequest(request) => {
            let (id, input) = (call_id(&request.id), input(&request.arguments));
            Some(json!({"toolUse": {"toolUseId": id, "name": request.name, "input": input}}))
        }
        Content::Thinking(thinking) => thinking.replay.as_ref().and_then(ours),
        Content::ServerTool(tool) => ours(&tool.replay),
        _ => None,
    }
}

/// A block goes back as it came by this API: what came by the other one has a type.
fn ours(replay: &Replay) -> Option<Value> {
    let ours = replay.provider == PROVIDER && replay.item.is_object();
    (ours && replay.item.get("type").is_none()).then(|| replay.item.clone())
}

/// The id of a call in the letters and the length that the API takes: another vendor's may have others.
fn call_id(told: &str) -> String {
    let mut id = id(told);
    id.truncate(LONGEST_ID);
    id
}

fn tool_result(result: &ToolResult, cites: bool) -> Result<Value, ProviderError> {
    let mut content = match &result.outcome {
        ToolOutcome::Contents(contents) => contents
            .iter()
            .filter_map(|content| said_by_user(content, cites).transpose())
            .collect::<Result<Vec<_>, _>>()?,
        other => text(&other.to_model_text()).into_iter().collect(),
    };
    if content.is_empty() {
        content.push(json!({"text": NO_TEXT}));
    }
    let mut answer = json!({"toolUseId": call_id(&result.id), "content": content});
    if result.outcome.is_error() {
        answer["status"] = "error".into();
    }
    Ok(json!({"toolResult": answer}))
}

fn document(media: &Media, cites: bool) -> Result<Value, ProviderError> {
    let mut document = json!({
        "format": document_format(media)?,
        "name": document_name(media.name.as_deref()),
        "source": source(media, "documents")?,
    });
    if cites {
        document["citations"] = json!({"enabled": true});
    }
    Ok(json!({"document": document}))
}

/// A name in the signs that the API takes: letters, digits, single spaces, hyphens, parentheses
/// and square brackets.
fn document_name(name: Option<&str>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
    let spaced: String =
        name.unwrap_or_default().chars().map(|c| if plain(c) { c } else { ' ' }).collect();
    let name = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() { "document".to_owned() } else { name }
}

fn source(media: &Media, what: &str) -> Result<Value, ProviderError> {
    match &media.source {
        MediaSource::Base64 { data, .. } => Ok(json!({"bytes": data})),
        MediaSource::Url { url } => match data_url::read(url) {
            Some((_, data)) => Ok(json!({"bytes": data})),
            None if url.starts_with("s3://") => Ok(json!({"s3Location": {"uri": url}})),
            None => Err(unsupported(&format!("fetches no {what} from the web"))),
        },
        _ => Err(unsupported(&format!("knows no {what} by an id"))),
    }
}

fn unsupported(why: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::InvalidRequest,
        format!("Bedrock's Converse API {why}: give the bytes, or an address `s3://…`"),
    )
}

/// The media type where it is told, else the ending of the name or the address.
fn kind(media: &Media) -> &str {
    let by_ending = |name: &'_ str| name.rsplit_once('.').map_or(0, |(head, _)| head.len() + 1);
    match &media.source {
        MediaSource::Base64 { mime_type, .. } => mime_type,
        MediaSource::Url { url } => match data_url::read(url) {
            Some((kind, _)) => kind,
            None => url.get(by_ending(url)..).unwrap_or_default(),
        },
        _ => "",
    }
}

fn image_format(media: &Media) -> Result<&'static str, ProviderError> {
    let kind = kind(media).to_ascii_lowercase();
    [("png", "png"), ("jpeg", "jpeg"), ("jpg", "jpeg"), ("gif", "gif"), ("webp", "webp")]
        .iter()
        .find(|(ending, _)| kind.ends_with(ending))
        .map(|(_, format)| *format)
        .ok_or_else(|| unknown("image", &kind, "png, jpeg, gif, webp"))
}

fn document_format(media: &Media) -> Result<&'static str, ProviderError> {
    let told = kind(media).to_ascii_lowercase();
    let kind = told.split(';').next().unwrap_or_default().trim();
    let known = [
        ("pdf", "pdf"),
        ("csv", "csv"),
        ("html", "html"),
        ("htm", "html"),
        ("markdown", "md"),
        ("md", "md"),
        ("wordprocessingml.document", "docx"),
        ("docx", "docx"),
        ("msword", "doc"),
        ("doc", "doc"),
        ("spreadsheetml.sheet", "xlsx"),
        ("xlsx", "xlsx"),
        ("vnd.ms-excel", "xls"),
        ("xls", "xls"),
    ];
    if let Some((_, format)) = known.iter().find(|(ending, _)| kind.ends_with(ending)) {
        return Ok(format);
    }
    // All other text is text.
    let text = ["txt", "json", "xml", "yaml", "toml"].iter().any(|ending| kind.ends_with(ending));
    if kind.starts_with("text/") || text {
        return Ok("txt");
    }
    Err(unknown("document", kind, "pdf, csv, doc, docx, xls, xlsx, html, md and text"))
}

fn unknown(what: &str, kind: &str, known: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::InvalidRequest,
        format!("Bedrock's Converse API takes no {what} of the type `{kind}`; it takes {known}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatlas_core::content::{ServerTool, Thinking, ToolRequest};
    use chatlas_core::{AssistantTurn, UserTurn};

    fn user(contents: Vec<Content>) -> Result<Value, ProviderError> {
        of(&Turn::User(UserTurn { contents }), false).map(Value::from)
    }

    fn assistant(contents: Vec<Content>) -> Value {
        let turn = AssistantTurn { contents, ..AssistantTurn::default() };
        of(&Turn::Assistant(turn), false).unwrap().into()
    }

    #[test]
    fn media_are_told_by_format_and_bytes() {
        let blocks = user(vec![
            Content::image_base64("image/jpeg", "AAAA"),
            Content::image_url("data:image/png;base64,BBBB"),
            Content::image_url("s3://bucket/a.webp"),
            Content::document_base64("my_file (1).pdf", "application/pdf", "CCCC"),
            Content::document_base64("a.csv", "text/csv; charset=utf-8", "DDDD"),
            Content::document_base64("…", "application/json", "EEEE"),
        ]);
        assert_eq!(
            blocks.unwrap(),
            json!([
                {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
                {"image": {"format": "png", "source": {"bytes": "BBBB"}}},
                {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
                {"document": {"format": "pdf", "name": "my file (1) pdf", "source": {"bytes": "CCCC"}}},
                {"document": {"format": "csv", "name": "a csv", "source": {"bytes": "DDDD"}}},
                {"document": {"format": "txt", "name": "document", "source": {"bytes": "EEEE"}}},
            ])
        );
        let pdf = Content::document_base64("a", "application/pdf", "AAAA");
        let cited = of(&Turn::User(UserTurn { contents: vec![pdf] }), true).unwrap();
        assert_eq!(cited[0]["document"]["citations"], json!({"enabled": true}));
    }

    #[test]
    fn what_the_api_cannot_take_is_refused_in_words() {
        let file = MediaSource::File { id: "file_1".into(), mime_type: None };
        for (content, said) in [
            (Content::image_url("https://a.example/a.png"), "fetches no images from the web"),
            (
                Content::Document(Media { source: file, name: Some("a.pdf".into()) }),
                "takes no document of the type ``",
            ),
            (
                Content::image_base64("image/heic", "AAAA"),
                "takes no image of the type `image/heic`",
            ),
            (
                Content::document_base64("a", "application/zip", "AAAA"),
                "takes no document of the type `application/zip`",
            ),
        ] {
            let error = user(vec![content]).unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
            assert!(error.message().contains(said), "{error}");
        }
    }

    #[test]
    fn calls_and_results_are_told() {
        let request = |arguments| {
            let (id, name) = ("t1".into(), "look".into());
            Content::ToolRequest(ToolRequest { id, name, arguments, replay: None })
        };
        let result = |outcome| {
            let (id, name) = ("t1".into(), "look".into());
            Content::ToolResult(ToolResult { id, name, outcome })
        };
        assert_eq!(
            assistant(vec![request(json!({"a": 1})), request(json!("{")), Content::text(" ")]),
            json!([
                {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"INVALID_JSON": "{"}}},
            ])
        );
        let contents = vec![Content::text("see"), Content::image_base64("image/png", "AAAA")];
        let image = json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}});
        assert_eq!(
            user(vec![
                Content::text("well?"),
                result(ToolOutcome::Value(json!({"a": 1}))),
                result(ToolOutcome::Value(json!(""))),
                result(ToolOutcome::Contents(contents)),
                result(ToolOutcome::Error("no".into())),
            ])
            .unwrap(),
            json!([
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "{\"a\":1}"}]}},
                {"toolResult": {"toolUseId": "t1", "content": [{"text": NO_TEXT}]}},
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "see"}, image]}},
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "no"}], "status": "error"}},
                {"text": "well?"},
            ])
        );
        assert_eq!(user(vec![]).unwrap(), json!([{"text": NO_TEXT}]));
    }

    #[test]
    fn a_call_of_another_vendors_has_an_id_that_the_api_takes() {
        let id = format!("call|{}", "x".repeat(80));
        let (name, arguments) = ("look".to_owned(), json!({}));
        let asked = assistant(vec![Content::ToolRequest(ToolRequest {
            id: id.clone(),
            name: name.clone(),
            arguments,
            replay: None,
        })]);
        let outcome = ToolOutcome::Value(json!(1));
        let answered = user(vec![Content::ToolResult(ToolResult { id, name, outcome })]).unwrap();
        let sent = asked[0]["toolUse"]["toolUseId"].as_str().unwrap();
        assert!(sent.starts_with("call_x") && sent.len() == 64, "{sent}");
        assert_eq!(answered[0]["toolResult"]["toolUseId"], sent);
    }

    #[test]
    fn tools_of_aws_go_back_as_they_came_by_this_api() {
        let tool = |item: &Value| {
            let replay = Replay { provider: PROVIDER.to_owned(), item: item.clone() };
            Content::ServerTool(ServerTool { id: None, name: "x".into(), replay })
        };
        let ours = json!({"toolUse": {"toolUseId": "t", "name": "x", "type": "server_tool_use"}});
        let by_invoke = json!([{"type": "server_tool_use", "id": "s"}]);
        assert_eq!(assistant(vec![tool(&ours), tool(&by_invoke)]), json!([ours]));
    }

    #[test]
    fn a_thought_goes_back_as_it_came_by_this_api() {
        let thought = |provider: &str, item: &Value| {
            let replay = Some(Replay { provider: provider.to_owned(), item: item.clone() });
            Content::Thinking(Thinking { text: "Hm.".into(), replay })
        };
        let ours =
            json!({"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}});
        let by_invoke = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
        let sent = assistant(vec![
            thought(PROVIDER, &ours),
            thought(PROVIDER, &by_invoke),
            thought("anthropic", &ours),
        ]);
        assert_eq!(sent, json!([ours]));
    }
}
