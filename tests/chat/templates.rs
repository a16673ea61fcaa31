//! Prompts from templates.

use chatlas::prelude::*;
use chatlas::templates::Template;
use chatlas::testing::{Recorder, Script};
use serde_json::json;

#[test]
fn missing_values_and_invalid_syntax_are_errors() {
    let template = Template::new("greeting.html", "Hello, {{ name }}!").unwrap();
    let text = template.render(json!({"name": "<Ada>"})).unwrap();
    assert_eq!(text, "Hello, <Ada>!", "not escaped");
    let error = template.render(json!({})).unwrap_err().to_string();
    assert!(error.contains("undefined value") && error.contains("greeting"), "{error}");
    assert!(Template::new("broken", "{{ name").is_err());
}

#[tokio::test]
async fn name_and_version_of_a_template_are_recorded_on_model_calls() {
    let recorder = Recorder::new();
    let mut chat = Chat::new(Script::new().says("a").says("b"));
    let role = Template::new("role", "You are {{ role }}.").unwrap().with_version("7");
    role.set_system_prompt(&mut chat, json!({"role": "a guide"})).unwrap();
    chat.chat("Hi").await.unwrap();
    assert_eq!(chat.system_prompt(), Some("You are a guide."));
    let question = Template::new("question", "Where is {{ city }}?").unwrap();
    let prompt = question.prompt_for(&mut chat, json!({"city": "Oslo"})).unwrap();
    chat.chat(prompt).await.unwrap();
    assert_eq!(chat.turns()[2].text(), "Where is Oslo?");

    let spans = recorder.spans_with_operation("chat");
    let attribute = |index: usize, key: &str| spans[index].attributes().get(key).cloned();
    assert_eq!(attribute(0, "gen_ai.prompt.name"), Some("role".into()));
    assert_eq!(attribute(0, "gen_ai.prompt.version"), Some("7".into()));
    assert_eq!(attribute(1, "gen_ai.prompt.name"), Some("question".into()));
    assert_eq!(attribute(1, "gen_ai.prompt.version"), None);
}
