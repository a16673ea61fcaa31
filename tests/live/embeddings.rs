//! A real embedding model over the APIs of OpenAI and Ollama. The test is skipped unless
//! `CHATLAS_LIVE_EMBED` contains the address of its server (`http://127.0.0.1:4050`).

use std::time::Duration;

use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{EmbeddingRequest, Ollama, OpenAiCompletions};

const MODEL: &str = "all-minilm";
/// The model computes on the processor, beside everything else that the machine does.
const LIMIT: Duration = Duration::from_secs(120);

fn server() -> Option<String> {
    let url = std::env::var("CHATLAS_LIVE_EMBED").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        println!("skipped: CHATLAS_LIVE_EMBED is not set");
    }
    url.map(|url| url.trim_end_matches('/').to_owned())
}

/// Returns the cosine of the angle between two vectors.
fn similarity(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

/// Asserts that a kitten is nearer to a cat than an invoice is, also in the last of many batches,
/// and that the span has the tokens.
async fn assert_embeds(model: impl Provider) {
    let recorder = Recorder::new();
    let filler = (0..130).map(|number| format!("number {number}"));
    let texts = filler.chain(["cat", "kitten", "tax invoice"].map(str::to_owned));
    let request = model.embed(EmbeddingRequest::new(texts));
    let found = tokio::time::timeout(LIMIT, request).await.expect("in time").expect("embeddings");
    assert_eq!(found.vectors.len(), 133);
    let [.., cat, kitten, invoice] = &found.vectors[..] else { unreachable!() };
    assert_eq!(cat.len(), 384);
    let (near, far) = (similarity(cat, kitten), similarity(cat, invoice));
    assert!(near > 0.7 && far < 0.4, "{near} {far}");
    recorder.assert_sound();
    let span = recorder.spans_with_operation("embeddings").remove(0);
    assert!(found.tokens.is_some_and(|tokens| tokens > 133));
    assert_eq!(span["gen_ai.usage.input_tokens"].as_u64(), found.tokens);
    assert_eq!(span["gen_ai.embeddings.dimension.count"], 384);
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_embeds_over_the_apis_of_openai_and_ollama() {
    let Some(url) = server() else { return };
    // One after the other: the server is slow when it computes several requests at a time.
    assert_embeds(OpenAiCompletions::new(MODEL).with_base_url(format!("{url}/v1"))).await;
    assert_embeds(Ollama::new(MODEL).with_base_url(format!("{url}/v1"))).await;
}
