//! Token counts: which parts are inside a count, in which fields a server reports them, and which of
//! several reports is the right one.

use chatlas::{HttpOptions, Usage};
use serde_json::{Value, json};

use crate::support::protocols::{COMPLETIONS, Protocol, RESPONSES};
use crate::support::server::{Answer, Server};
use crate::support::stream::{events, read_stream};

async fn usage(protocol: &Protocol, answer: Answer, is_streamed: bool) -> Usage {
    let server = Server::start(vec![answer]);
    let mut chat = (protocol.chat)(server.root(), HttpOptions::default().with_max_retries(0));
    if is_streamed {
        read_stream(&mut chat).await.1.expect("a reply").usage
    } else {
        chat.chat("hi").await.expect("a reply").usage
    }
}

/// Returns the usage of a complete reply of Chat Completions.
async fn counted(reported: Value) -> Usage {
    let mut reply = (COMPLETIONS.complete)("ok");
    reply["usage"] = reported;
    usage(&COMPLETIONS, Answer::json(200, &reply), false).await
}

/// Returns the usage of a streamed reply of Chat Completions with these chunks.
async fn streamed(chunks: &[Value]) -> Usage {
    usage(&COMPLETIONS, Answer::events(events(chunks) + "data: [DONE]\n\n"), true).await
}

fn sides(usage: &Usage) -> (Option<u64>, Option<u64>) {
    (usage.input_tokens, usage.output_tokens)
}

/// The total decides whether the reasoning is inside the output or beside it.
/// Source: <https://github.com/sonami-tech/omni-llm-provider/issues/50>
#[tokio::test]
async fn the_total_decides_where_the_reasoning_is() {
    for (total, output) in [(37, 12), (41, 16), (0, 12)] {
        let usage = counted(json!({"prompt_tokens": 25, "completion_tokens": 12,
            "total_tokens": total, "completion_tokens_details": {"reasoning_tokens": 4}}))
        .await;
        assert_eq!(sides(&usage), (Some(25), Some(output)), "{total}");
        assert_eq!(usage.reasoning_tokens, Some(4));
    }
}

/// Reasoning that is more than the output is beside it.
/// Source: <https://github.com/vercel/ai/pull/12425>
#[tokio::test]
async fn reasoning_larger_than_the_output_is_beside_it() {
    let reasoning = json!({"reasoning_tokens": 70});
    for total in [json!(175), json!(105), json!(null)] {
        let usage = counted(json!({"prompt_tokens": 100, "completion_tokens": 5,
            "total_tokens": total, "completion_tokens_details": reasoning}))
        .await;
        assert_eq!(sides(&usage), (Some(100), Some(75)));
    }
}

/// Cached tokens that are both read and written (recorded of OpenRouter) are inside the input if the
/// total is the sum of input and output.
/// Source: <https://openrouter.ai/docs/guides/guides/usage-accounting>
#[tokio::test]
async fn the_total_decides_where_cached_tokens_are() {
    for (total, input) in [(560, 500), (1_540, 1_480), (1_050, 990)] {
        let usage = counted(json!({"prompt_tokens": 500, "completion_tokens": 60,
            "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": 490, "cache_write_tokens": 490}}))
        .await;
        assert_eq!(sides(&usage), (Some(input), Some(60)), "{total}");
    }
}

/// Output tokens that only the total contains (recorded of Gemini's server for Chat Completions) are
/// output.
/// Source: <https://ai.google.dev/gemini-api/docs/openai>
#[tokio::test]
async fn output_that_only_the_total_contains_is_counted() {
    let reported = json!({"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 100});
    assert_eq!(sides(&counted(reported).await), (Some(40), Some(60)));
}

/// Cached tokens are read in every spelling (recorded of Mistral and others).
/// Source: <https://docs.mistral.ai/api>
#[tokio::test]
async fn cached_tokens_are_read_in_every_spelling() {
    for (field, value) in [
        ("num_cached_tokens", json!(8)),
        ("cached_tokens", json!(8.0)),
        ("prompt_cache_hit_tokens", json!("8")),
        ("cache_read_input_tokens", json!(8)),
        ("prompt_token_details", json!({"cached_tokens": 8})),
        ("prompt_tokens_details", json!({"cached_tokens": 8})),
        ("input_tokens_details", json!({"cached_tokens": 8})),
    ] {
        let mut reported = json!({"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22});
        reported[field] = value;
        let usage = counted(reported).await;
        assert_eq!((usage.input_tokens, usage.cache_read_tokens), (Some(20), Some(8)), "{field}");
    }
}

/// Counts are read as strings and as floats, in the fields of both APIs of OpenAI.
/// Source: <https://github.com/earendil-works/pi/issues/2017>
#[tokio::test]
async fn counts_are_read_in_every_type_and_field() {
    for reported in [
        json!({"prompt_tokens": "4", "completion_tokens": 3.0}),
        json!({"input_tokens": 4, "output_tokens": "3.0"}),
        json!({"prompt_tokens": 4, "input_tokens": 0, "completion_tokens": 3, "output_tokens": 0}),
        json!({"prompt_tokens": 4, "completion_tokens": null, "total_tokens": 7}),
    ] {
        assert_eq!(sides(&counted(reported.clone()).await), (Some(4), Some(3)), "{reported}");
    }
}

/// The usage inside a choice is read.
/// Source: <https://github.com/earendil-works/pi/issues/2017>
#[tokio::test]
async fn usage_inside_a_choice_is_read() {
    let reported = json!({"prompt_tokens": 6, "completion_tokens": 5, "total_tokens": 11});
    let usage = streamed(&[
        json!({"choices": [{"index": 0, "delta": {"content": "ok"}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": reported}]}),
    ])
    .await;
    assert_eq!(sides(&usage), (Some(6), Some(5)));
}

/// Counts of a stream are cumulative: neither a later zero nor a missing count replaces a larger one.
/// Source: <https://github.com/envoyproxy/ai-gateway/pull/1631>
#[tokio::test]
async fn a_later_zero_replaces_no_count() {
    let chunk = |input: u64, output: u64| {
        json!({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": input, "completion_tokens": output,
                "total_tokens": input + output}})
    };
    for chunks in [
        vec![chunk(15, 1), chunk(15, 2), chunk(15, 9)],
        vec![chunk(15, 9), chunk(0, 0)],
        vec![chunk(0, 0), chunk(15, 9), json!({"choices": [], "usage": null})],
    ] {
        assert_eq!(sides(&streamed(&chunks).await), (Some(15), Some(9)), "{chunks:?}");
    }
}

/// The same rules hold for the Responses API.
/// Source: <https://github.com/sonami-tech/omni-llm-provider/issues/50>
#[tokio::test]
async fn the_total_decides_for_responses_too() {
    for (total, output) in [(37, 12), (41, 16)] {
        let mut reply = (RESPONSES.complete)("ok");
        reply["usage"] = json!({"input_tokens": 25, "output_tokens": 12, "total_tokens": total,
            "output_tokens_details": {"reasoning_tokens": 4}});
        let usage = usage(&RESPONSES, Answer::json(200, &reply), false).await;
        assert_eq!(sides(&usage), (Some(25), Some(output)), "{total}");
    }
}

/// The counts of a chunk that reports an error are kept on the error.
/// Source: <https://openrouter.ai/docs/api/reference/errors-and-debugging>
#[tokio::test]
async fn counts_beside_an_error_are_kept() {
    let error = json!({"choices": [], "error": {"code": 502, "message": "upstream failed"},
        "usage": {"prompt_tokens": 6, "completion_tokens": 1}});
    let text = json!({"id": "r", "choices": [{"index": 0, "delta": {"content": "Hel"}}]});
    for (answer, is_streamed) in [
        (Answer::events(format!("data: {text}\n\ndata: {error}\n\n")), true),
        (Answer::json(200, &error), false),
    ] {
        let server = Server::start(vec![answer]);
        let options = HttpOptions::default().with_max_retries(0);
        let mut chat = (COMPLETIONS.chat)(server.root(), options);
        let error = if is_streamed {
            read_stream(&mut chat).await.1.expect_err("an error")
        } else {
            crate::support::stream::provider_error(chat.chat("hi").await.expect_err("an error"))
        };
        assert_eq!(error.message(), "upstream failed");
        let partial = error.partial().expect("a partial reply");
        assert_eq!(sides(&partial.usage), (Some(6), Some(1)));
    }
}
