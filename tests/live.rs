//! A real language model, where one is at hand: set `CHATLAS_LIVE_LLM` to the base URL of a server
//! that speaks the Responses API (`http://127.0.0.1:4040/v1` for example).

use chatlas::OpenAi;
use chatlas::prelude::*;
use chatlas::testing::Recorder;

#[tokio::test(flavor = "multi_thread")]
async fn a_real_model_answers_a_plain_question() {
    let Ok(url) = std::env::var("CHATLAS_LIVE_LLM") else {
        println!("skipped: set CHATLAS_LIVE_LLM to the base URL of a server with a real model");
        return;
    };
    let recorder = Recorder::new();
    let model = OpenAi::new("a-small-model").base_url(url).http_spans(true);
    let mut chat = Chat::new(model).max_tokens(48).temperature(0.0);
    let mut stream = chat.stream("What is the capital of France?");
    let (mut pieces, mut reply) = (Vec::new(), None);
    while let Some(event) = stream.next().await {
        match event.expect("the model answers") {
            StreamEvent::Text(text) => pieces.push(text),
            StreamEvent::Done(done) => reply = Some(done),
            _ => {}
        }
    }
    drop(stream);
    let reply = reply.expect("an end");
    assert!(pieces.len() > 1, "it came in pieces");
    assert_eq!(pieces.concat(), reply.text());
    assert!(reply.usage.output_tokens.is_some_and(|tokens| (1..=48).contains(&tokens)));
    recorder.assert_sound();
    let tokens = &recorder.span("chat a-small-model")["gen_ai.usage.output_tokens"];
    assert_eq!(tokens.as_u64(), reply.usage.output_tokens);
}
