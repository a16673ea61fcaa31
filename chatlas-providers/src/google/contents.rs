//! The conversation as contents: what users, tools and the model said, part by part.

use std::sync::Arc;

use chatlas_core::content::{Content, Replay, ToolOutcome, ToolRequest, ToolResult};
use chatlas_core::{ProviderError, Turn};
use serde_json::{Value, json};

use super::media::{self, is_server_tool};
use super::request::generation;
use super::{INVENTED_ID, Platform};

/// What stands for a text where one is demanded and there is none.
const NO_TEXT: &str = "[empty string]";

/// The turns in order.
pub(super) fn contents(
    platform: &Platform,
    model: &str,
    turns: &[Arc<Turn>],
) -> Result<Vec<Value>, ProviderError> {
    let mut contents = Vec::with_capacity(turns.len());
    for turn in turns {
        let (role, parts) = match &**turn {
            Turn::User(turn) => ("user", said_by_user(model, &turn.contents)?),
            Turn::Assistant(turn) => ("model", said_by_model(platform, &turn.contents)?),
            _ => continue,
        };
        // Google refuses a content without parts.
        if !parts.is_empty() {
            contents.push(json!({"role": role, "parts": parts}));
        }
    }
    Ok(contents)
}

fn said_by_user(model: &str, contents: &[Content]) -> Result<Vec<Value>, ProviderError> {
    let mut parts = Vec::new();
    for content in contents {
        match content {
            // Google refuses a text without a word.
            Content::Text(text) if text.text.trim().is_empty() => {}
            Content::Text(text) => parts.push(json!({"text": text.text})),
            Content::Image(media) | Content::Document(media) => parts.push(media::part(media)?),
            Content::ToolResult(result) => {
                let (response, beside) = function_response(model, result)?;
                parts.push(response);
                parts.extend(beside);
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        parts.push(json!({"text": NO_TEXT}));
    }
    Ok(parts)
}

/// What the model said before, with the signatures in the places where they were.
fn said_by_model(platform: &Platform, contents: &[Content]) -> Result<Vec<Value>, ProviderError> {
    let mut parts = Vec::new();
    let mut signature_of_next: Option<Value> = None;
    for content in contents {
        let own = |replay: Option<&Replay>| {
            replay.filter(|replay| replay.provider == platform.provider).map(|r| r.item.clone())
        };
        let mut part = match content {
            Content::Text(text) => {
                let signature =
                    own(text.replay.as_ref()).map(|item| item["thoughtSignature"].clone());
                if text.text.is_empty() && signature.is_none() {
                    continue;
                }
                signed(json!({"text": text.text}), signature)
            }
            Content::Refusal(refusal) if refusal.text.is_empty() => continue,
            Content::Refusal(refusal) => json!({"text": refusal.text}),
            Content::Thinking(thinking) => match own(thinking.replay.as_ref()) {
                Some(mut item) if item["thought"] == true => {
                    item["text"] = thinking.text.as_str().into();
                    item
                }
                Some(item) if item.get("text").is_some() => item,
                Some(item) => {
                    signature_of_next = Some(item["thoughtSignature"].clone());
                    continue;
                }
                None => continue,
            },
            Content::ToolRequest(request) => {
                let signature = own(request.replay.as_ref()).map(|i| i["thoughtSignature"].clone());
                signed(function_call(request), signature)
            }
            Content::Image(media) | Content::Document(media) => media::part(media)?,
            Content::ServerTool(tool) => match own(Some(&tool.replay)) {
                Some(item) if is_server_tool(&item) => item,
                _ => continue,
            },
            _ => continue,
        };
        if let Some(signature) = signature_of_next.take() {
            part = signed(part, Some(signature));
        }
        parts.push(part);
    }
    Ok(parts)
}

fn signed(mut part: Value, signature: Option<Value>) -> Value {
    if let Some(signature) = signature.filter(Value::is_string) {
        part["thoughtSignature"] = signature;
    }
    part
}

fn function_call(request: &ToolRequest) -> Value {
    let arguments = match &request.arguments {
        Value::Object(_) => request.arguments.clone(),
        Value::Null => json!({}),
        // What another vendor's model wrote; Google takes objects alone.
        other => json!({"arguments": other}),
    };
    identified(json!({"name": request.name, "args": arguments}), &request.id, "functionCall")
}

/// The answer of a tool, and the images and documents that cannot stand within it.
fn function_response(
    model: &str,
    result: &ToolResult,
) -> Result<(Value, Vec<Value>), ProviderError> {
    let response = match &result.outcome {
        ToolOutcome::Value(value) => json!({"result": value}),
        ToolOutcome::Error(message) => json!({"error": message}),
        contents => json!({"result": contents.to_model_text()}),
    };
    let mut function = json!({"name": result.name, "response": response});
    let mut beside = Vec::new();
    if let ToolOutcome::Contents(contents) = &result.outcome {
        for content in contents {
            if let Content::Image(media) | Content::Document(media) = content {
                beside.push(media::part(media)?);
            }
        }
    }
    if takes_media_in_results(model) && !beside.is_empty() {
        function["parts"] = std::mem::take(&mut beside).into();
    }
    Ok((identified(function, &result.id, "functionResponse"), beside))
}

/// With its id, unless that was invented here: then the API knows none.
fn identified(mut function: Value, id: &str, key: &str) -> Value {
    if !id.is_empty() && !id.starts_with(INVENTED_ID) {
        function["id"] = id.into();
    }
    json!({key: function})
}

/// Whether images may stand in a tool's answer itself: from Gemini 3 on.
fn takes_media_in_results(model: &str) -> bool {
    generation(model).is_some_and(|number| number >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::google::gemini::PLATFORM;
    use chatlas_core::content::{ServerTool, Text, Thinking};
    use chatlas_core::{AssistantTurn, UserTurn};

    fn sent(model: &str, turns: impl IntoIterator<Item = Turn>) -> Value {
        let turns: Vec<Arc<Turn>> = turns.into_iter().map(Arc::new).collect();
        contents(&PLATFORM, model, &turns).unwrap().into()
    }

    fn model_turn(contents: Vec<Content>) -> Turn {
        Turn::Assistant(AssistantTurn { contents, ..AssistantTurn::default() })
    }

    fn user_turn(contents: Vec<Content>) -> Turn {
        Turn::User(UserTurn { contents })
    }

    fn replay(item: Value) -> Replay {
        Replay { provider: PLATFORM.provider.to_owned(), item }
    }

    fn call(id: &str, replay: Option<Replay>) -> Content {
        let (id, name) = (id.to_owned(), "add".to_owned());
        Content::ToolRequest(ToolRequest { id, name, arguments: json!({"a": 1}), replay })
    }

    fn result(id: &str, outcome: ToolOutcome) -> Content {
        Content::ToolResult(ToolResult { id: id.to_owned(), name: "add".to_owned(), outcome })
    }

    #[test]
    fn signatures_go_back_in_their_places() {
        let signature = |s: &str| json!({"thoughtSignature": s});
        let code = json!({"executableCode": {"code": "1"}, "thoughtSignature": "s6"});
        let foreign = Some(Replay { provider: "openai".to_owned(), item: json!({"text": "x"}) });
        let thinking = |text: &str, replay: Option<Replay>| {
            Content::Thinking(Thinking { text: text.to_owned(), replay })
        };
        let tool = |item: Value| {
            let replay = replay(item);
            Content::ServerTool(ServerTool { id: None, name: "t".to_owned(), replay })
        };
        let said = vec![
            thinking("Hm.", Some(replay(json!({"thought": true, "thoughtSignature": "s1"})))),
            thinking("Unsigned.", None),
            thinking("Of others.", foreign.clone()),
            Content::Text(Text {
                text: "A".to_owned(),
                replay: Some(replay(signature("s2"))),
                ..Text::default()
            }),
            Content::text(""),
            Content::Text(Text { text: "B".to_owned(), replay: foreign, ..Text::default() }),
            call("c-1", Some(replay(signature("s3")))),
            thinking("", Some(replay(signature("s4")))),
            Content::image_base64("image/png", "aGk="),
            thinking("", Some(replay(json!({"text": "", "thoughtSignature": "s5"})))),
            tool(code.clone()),
            tool(json!({"groundingMetadata": {}})),
        ];
        assert_eq!(
            sent("gemini-3.5-flash", [model_turn(said)]),
            json!([{"role": "model", "parts": [
                {"text": "Hm.", "thought": true, "thoughtSignature": "s1"},
                {"text": "A", "thoughtSignature": "s2"},
                {"text": "B"},
                {"functionCall": {"id": "c-1", "name": "add", "args": {"a": 1}},
                    "thoughtSignature": "s3"},
                {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "s4"},
                {"text": "", "thoughtSignature": "s5"},
                code,
            ]}])
        );
    }

    #[test]
    fn a_text_of_the_users_is_never_blank() {
        let said = |contents: Vec<Content>| sent("gemini-3.5-flash", [user_turn(contents)]);
        let text = |text: &str| json!([{"role": "user", "parts": [{"text": text}]}]);
        assert_eq!(said(vec![Content::text(" \n")]), text(NO_TEXT));
        assert_eq!(said(vec![]), text(NO_TEXT));
        assert_eq!(said(vec![Content::text(""), Content::text("hi")]), text("hi"));
    }

    #[test]
    fn an_invented_id_is_kept_from_the_api() {
        let id = format!("{INVENTED_ID}r_1");
        let failed = ToolOutcome::Error("no".to_owned());
        let turns = [
            model_turn(vec![call(&id, None), call("c-2", None)]),
            user_turn(vec![
                result(&id, ToolOutcome::Value(json!({"sum": 2}))),
                result("c-2", failed),
            ]),
        ];
        assert_eq!(
            sent("gemini-3.5-flash", turns),
            json!([
                {"role": "model", "parts": [
                    {"functionCall": {"name": "add", "args": {"a": 1}}},
                    {"functionCall": {"id": "c-2", "name": "add", "args": {"a": 1}}},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": "add", "response": {"result": {"sum": 2}}}},
                    {"functionResponse": {"id": "c-2", "name": "add", "response": {"error": "no"}}},
                ]},
            ])
        );
    }

    #[test]
    fn images_of_a_tool_stand_in_its_answer_or_beside_it() {
        let seen = ToolOutcome::Contents(vec![
            Content::text("Look."),
            Content::image_base64("image/png", "aGk="),
        ]);
        let turn = user_turn(vec![result("c-1", seen)]);
        let image = json!({"inlineData": {"mimeType": "image/png", "data": "aGk="}});
        let mut answer = json!({"id": "c-1", "name": "add", "response": {"result": "Look."}});
        let beside = json!([{"functionResponse": answer}, image]);
        answer["parts"] = json!([image]);
        let within = json!([{"functionResponse": answer}]);
        for (model, parts) in [
            ("gemini-2.5-flash", &beside),
            ("unheard-of", &beside),
            ("gemini-3-pro-preview", &within),
            ("publishers/google/models/gemini-4", &within),
        ] {
            let sent = sent(model, [turn.clone()]);
            assert_eq!(&sent[0]["parts"], parts, "{model}");
        }
    }
}
