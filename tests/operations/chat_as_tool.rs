//! A `Chat` as a tool of another chat.

use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{ProviderErrorKind, agent};
use serde_json::json;

fn supervisor(calls: usize) -> Script {
    let mut answer = Answer::new();
    for n in 0..calls {
        answer = answer.call("research", json!({"prompt": format!("question {n}")}));
    }
    Script::new().then(answer.with_tokens(10, 1)).then(Answer::says("Done.").with_tokens(20, 2))
}

#[tokio::test]
async fn chat_as_a_tool_is_an_agent_inside_the_tool_call() {
    let trace = Recorder::new();
    let model = Script::new().then(Answer::says("Facts.").with_tokens(300, 30));
    let researcher = Chat::new(model)
        .with_conversation_id("inner")
        .into_tool("research", "Researches a question.")
        .unwrap();
    let model = supervisor(1);
    let mut chat = Chat::new(model.clone())
        .with_name("supervisor")
        .with_conversation_id("outer")
        .with_tools(tools![dyn researcher].unwrap());
    let reply = chat.chat("go").await.unwrap();
    trace.assert_sound();
    assert_eq!(
        trace.tree_with(["gen_ai.conversation.id", "gen_ai.usage.input_tokens"]),
        "\
invoke_agent supervisor gen_ai.conversation.id=\"outer\" gen_ai.usage.input_tokens=30
  chat test-model gen_ai.conversation.id=\"outer\" gen_ai.usage.input_tokens=10
  execute_tool research gen_ai.conversation.id=\"outer\"
    invoke_agent research gen_ai.conversation.id=\"inner\" gen_ai.usage.input_tokens=300
      chat test-model gen_ai.conversation.id=\"inner\" gen_ai.usage.input_tokens=300
  chat test-model gen_ai.conversation.id=\"outer\" gen_ai.usage.input_tokens=20
"
    );
    assert_eq!(reply.usage.input_tokens, Some(30));
    let sent = serde_json::to_string(&model.requests()[1].turns).unwrap();
    assert!(sent.contains("Facts."), "{sent}");
}

#[tokio::test]
async fn each_call_is_a_conversation_unless_it_is_shared() {
    for shared in [false, true] {
        let inner = Script::new().says("1").says("2");
        let mut tool = Chat::new(inner.clone()).into_tool("research", "Researches.").unwrap();
        if shared {
            tool = tool.with_shared_conversation();
        }
        let mut chat = Chat::new(supervisor(2)).with_tools(tools![dyn tool].unwrap());
        chat.chat("go").await.unwrap();
        let turns: Vec<usize> =
            inner.requests().iter().map(|request| request.turns.len()).collect();
        assert_eq!(turns, if shared { [1, 3] } else { [1, 1] });
    }
}

#[tokio::test]
async fn failed_inner_chat_is_an_error_of_the_tool_call_and_the_outer_chat_continues() {
    let trace = Recorder::new();
    let error = ProviderError::new(ProviderErrorKind::RateLimit, "slow down").with_status(429);
    let tool = Chat::new(Script::new().fails(error)).into_tool("research", "Researches.").unwrap();
    let mut chat = Chat::new(supervisor(1)).with_tools(tools![dyn tool].unwrap());
    assert_eq!(chat.chat("go").await.unwrap().text(), "Done.");
    trace.assert_sound();
    assert_eq!(trace.span("execute_tool research")["error.type"], "429");
    assert_eq!(trace.span("invoke_agent research")["error.type"], "429");
}

#[test]
fn invalid_name_is_an_error() {
    assert!(Chat::new(Script::new()).into_tool("two words", "x").is_err());
}

/// Translates a text.
#[agent(tool)]
async fn translate(
    #[state] model: &Script,
    /// The text.
    text: String,
) -> Result<Reply, ChatError> {
    Chat::new(model.clone()).with_name("inner").chat(text).await
}

#[tokio::test]
async fn agent_function_can_be_a_tool() {
    let trace = Recorder::new();
    let app = Script::new().says("Hallo").says("Hallo");
    let model = Script::new().calls("translate", json!({"text": "Hello"})).says("Done.");
    let mut chat = Chat::new(model.clone()).with_tools(tools![with app.clone() => translate]);
    chat.chat("go").await.unwrap();
    trace.assert_sound();
    let tool = trace.span("execute_tool translate");
    let children = trace.children(&tool);
    assert_eq!(children[0].name(), "invoke_agent translate");
    assert_eq!(trace.children(&children[0])[0].name(), "invoke_agent inner");
    let sent = serde_json::to_string(&model.requests()[1].turns).unwrap();
    assert!(sent.contains("Hallo"), "{sent}");
    // A direct call is an agent alone.
    translate(&app, "Hello".to_owned()).await.unwrap();
    assert_eq!(trace.spans_with_operation("execute_tool").len(), 1);
}
