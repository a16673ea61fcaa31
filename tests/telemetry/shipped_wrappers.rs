//! The wrappers of `chatlas::wrappers`: what they do, and that each call has one span and no token counts
//! twice.

#![allow(clippy::float_cmp)] // the compared sums are exact

use std::sync::Arc;
use std::time::Duration;

use chatlas::prelude::*;
use chatlas::provider::Backoff;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::wrappers::{Cache, Fallback, MemoryCache, RateLimit, Retry, Router};
use chatlas::{FinishReason, ProviderErrorKind};

const INPUT: &str = "gen_ai.usage.input_tokens";

fn overloaded() -> ProviderError {
    ProviderError::new(ProviderErrorKind::Overloaded, "overloaded").with_status(529)
}

fn named(name: &'static str, script: Script) -> Script {
    script.with_info(ProviderInfo::new(name).with_model(name))
}

/// Sends a prompt in a new chat, complete or streamed.
async fn ask(provider: &Arc<dyn Provider>, streamed: bool) -> Result<Reply, ChatError> {
    let mut chat = Chat::new(Arc::clone(provider));
    if !streamed {
        return chat.chat("Where?").await;
    }
    let mut events = chat.stream("Where?");
    while let Some(event) = events.next().await {
        if let StreamEvent::Done(reply) = event? {
            return Ok(*reply);
        }
    }
    unreachable!("a stream ends with a reply or an error")
}

#[tokio::test]
async fn fallback_calls_the_next_provider_and_counts_each_call_once() {
    for streamed in [false, true] {
        let first = named("first", Script::new().fails(overloaded()));
        let second = named("second", Script::new().then(Answer::says("Oslo.").with_tokens(7, 2)));
        let third = named("third", Script::new());
        let unused = third.clone();
        let provider: Arc<dyn Provider> = Arc::new(Fallback::new(first).or(second).or(third));
        let trace = Recorder::new();
        let reply = ask(&provider, streamed).await.unwrap();
        trace.assert_sound();
        assert_eq!(reply.text(), "Oslo.");
        assert_eq!(unused.request_count(), 0);
        assert_eq!(trace.tree(), "invoke_agent\n  chat first\n  chat second\n");
        let (failed, answered) = (trace.span("chat first"), trace.span("chat second"));
        assert!(failed.is_error() && !answered.is_error());
        assert!(failed["chatlas.fallback.index"].is_null());
        assert_eq!(answered["chatlas.fallback.index"], 1);
        assert_eq!(answered["gen_ai.provider.name"], "second");
        assert_eq!(trace.span("invoke_agent")[INPUT], 7);
        assert_eq!(trace.metric("gen_ai.invoke_agent.inference_calls").sum(), 2.0);
    }
}

#[tokio::test]
async fn fallback_error_names_every_provider() {
    let first = named("first", Script::new().fails(overloaded()));
    let second = named("second", Script::new().fails(overloaded().with_code("busy")));
    let provider: Arc<dyn Provider> = Arc::new(Fallback::new(first).or(second));
    let Err(ChatError::Provider(error)) = ask(&provider, false).await else { panic!("no error") };
    assert_eq!(error.message(), "2 providers failed: first: overloaded; second: overloaded");
    assert_eq!((error.kind(), error.code()), (ProviderErrorKind::Overloaded, Some("busy")));
}

#[tokio::test]
async fn fallback_returns_errors_of_the_request_at_once() {
    let invalid = ProviderError::new(ProviderErrorKind::InvalidRequest, "temperature: too high");
    let second = named("second", Script::new().says("Oslo."));
    let unused = second.clone();
    let provider: Arc<dyn Provider> =
        Arc::new(Fallback::new(Script::new().fails(invalid)).or(second));
    let Err(ChatError::Provider(error)) = ask(&provider, false).await else { panic!("no error") };
    assert_eq!(error.message(), "temperature: too high");
    assert_eq!(unused.request_count(), 0);
}

#[tokio::test]
async fn fallback_skips_a_failed_provider_during_its_cooldown() {
    let first = Script::from_fn(|_| Answer::fails(overloaded()));
    let second = Script::from_fn(|_| Answer::says("Oslo."));
    let (failing, answering) = (first.clone(), second.clone());
    let fallback = Fallback::new(first).or(second).with_cooldown(Duration::from_secs(3600));
    let provider: Arc<dyn Provider> = Arc::new(fallback);
    for _ in 0..3 {
        ask(&provider, false).await.unwrap();
    }
    assert_eq!((failing.request_count(), answering.request_count()), (1, 3));
}

#[tokio::test]
async fn stream_that_breaks_after_its_first_content_does_not_fall_back() {
    let first = Script::new().then(Answer::streams(["Os", "lo"]).then_fails(overloaded()));
    let second = Script::new().says("Bergen.");
    let unused = second.clone();
    let provider: Arc<dyn Provider> = Arc::new(Fallback::new(first).or(second));
    let mut chat = Chat::new(provider);
    let events: Vec<_> = chat.stream("Where?").collect().await;
    assert!(events.last().is_some_and(Result::is_err), "{events:?}");
    assert_eq!(unused.request_count(), 0);
    let text: String = chat.turns().last().map(|turn| turn.text()).unwrap_or_default();
    assert_eq!(text, "Oslo", "the history keeps the partial reply once");
}

#[tokio::test(start_paused = true)]
async fn retry_repeats_transient_failures_and_respects_the_wait_of_the_vendor() {
    for streamed in [false, true] {
        let limited = ProviderError::new(ProviderErrorKind::RateLimit, "slow down")
            .with_retry_after(Duration::from_secs(20));
        let model = Script::new().fails(overloaded()).fails(limited).says("Oslo.");
        let provider: Arc<dyn Provider> = Arc::new(
            Retry::new(model).with_backoff(Backoff::new().with_first(Duration::from_secs(4))),
        );
        let trace = Recorder::new();
        let started = tokio::time::Instant::now();
        assert_eq!(ask(&provider, streamed).await.unwrap().text(), "Oslo.");
        let waited = started.elapsed();
        assert!(
            (Duration::from_secs(23)..=Duration::from_secs(25)).contains(&waited),
            "{waited:?}"
        );
        trace.assert_sound();
        let calls = trace.spans_with_operation("chat");
        let mut counts: Vec<_> =
            calls.iter().map(|call| call["chatlas.retry.count"].as_i64()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [None, Some(1), Some(2)]);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_gives_the_error_back_after_the_last_retry_or_a_too_long_wait() {
    let model = Script::from_fn(|_| Answer::fails(overloaded()));
    let calls = model.clone();
    let provider: Arc<dyn Provider> = Arc::new(Retry::new(model).with_max_retries(3));
    ask(&provider, false).await.unwrap_err();
    assert_eq!(calls.request_count(), 4);

    let model =
        Script::from_fn(|_| Answer::fails(overloaded().with_retry_after(Duration::from_secs(61))));
    let calls = model.clone();
    let provider: Arc<dyn Provider> = Arc::new(Retry::new(model));
    ask(&provider, false).await.unwrap_err();
    assert_eq!(calls.request_count(), 1);
}

#[tokio::test]
async fn cache_answers_equal_requests_and_adds_no_usage() {
    let model = Script::from_fn(|_| Answer::says("Oslo.").with_tokens(7, 2));
    let calls = model.clone();
    let replies = Arc::new(MemoryCache::new(10));
    let provider: Arc<dyn Provider> = Arc::new(Cache::new(model, Arc::clone(&replies)));
    ask(&provider, true).await.unwrap();
    assert_eq!((calls.request_count(), replies.len()), (1, 1));
    for streamed in [false, true] {
        let trace = Recorder::new();
        assert_eq!(ask(&provider, streamed).await.unwrap().text(), "Oslo.");
        trace.assert_sound();
        assert!(trace.span("invoke_agent")[INPUT].is_null());
        assert_eq!(trace.span("chat test-model")["chatlas.answered_by_wrapper"], true);
    }
    assert_eq!(calls.request_count(), 1);

    let mut other = Chat::new(Arc::clone(&provider)).with_temperature(0.5);
    other.chat("Where?").await.unwrap();
    assert_eq!(calls.request_count(), 2, "other parameters are another request");
    replies.clear();
    ask(&provider, false).await.unwrap();
    assert_eq!(calls.request_count(), 3);
}

#[tokio::test]
async fn cache_stores_only_complete_replies_within_their_ttl() {
    let model = Script::from_fn(|_| Answer::says("Os").with_finish_reason(FinishReason::Length));
    let replies = Arc::new(MemoryCache::new(10));
    let provider: Arc<dyn Provider> = Arc::new(Cache::new(model, Arc::clone(&replies)));
    ask(&provider, false).await.unwrap();
    ask(&provider, true).await.unwrap();
    assert!(replies.is_empty());

    let model = Script::from_fn(|_| Answer::says("Oslo."));
    let calls = model.clone();
    let expired = MemoryCache::new(10).with_ttl(Duration::ZERO);
    let provider: Arc<dyn Provider> = Arc::new(Cache::new(model, expired));
    for _ in 0..2 {
        ask(&provider, false).await.unwrap();
    }
    assert_eq!(calls.request_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn rate_limit_delays_calls_above_the_rate() {
    let model = Script::from_fn(|_| Answer::says("Oslo."));
    let limited = Arc::new(RateLimit::new(model).with_requests_per_minute(60));
    let provider: Arc<dyn Provider> = limited;
    let started = tokio::time::Instant::now();
    for _ in 0..60 {
        ask(&provider, false).await.unwrap();
    }
    assert_eq!(started.elapsed(), Duration::ZERO, "the calls of a minute may start at once");
    let trace = Recorder::new();
    ask(&provider, true).await.unwrap();
    let waited = started.elapsed();
    assert!((Duration::from_millis(999)..Duration::from_millis(1100)).contains(&waited));
    trace.assert_sound();
    let recorded = trace.span("chat test-model")["chatlas.rate_limit.wait"].as_f64().unwrap();
    assert!((recorded - 1.0).abs() < 0.01, "{recorded}");
}

#[tokio::test(start_paused = true)]
async fn rate_limit_counts_the_tokens_that_were_used() {
    let model = Script::from_fn(|_| Answer::says("Oslo.").with_tokens(900, 100));
    let limited =
        RateLimit::new(model).with_tokens_per_minute(1000).with_max_wait(Duration::from_secs(5));
    let provider: Arc<dyn Provider> = Arc::new(limited);
    ask(&provider, true).await.unwrap();
    // The estimate of the next call (1.5 tokens) has to wait 90 ms. Then 2.5 tokens are missing.
    ask(&provider, false).await.unwrap();
    let Err(ChatError::Provider(error)) = ask(&provider, false).await else { panic!("no error") };
    assert_eq!(error.kind(), ProviderErrorKind::RateLimit);
    assert_eq!(error.error_type(), "rate_limit_of_wrapper");
    let wait = error.retry_after().unwrap();
    assert!((Duration::from_secs(59)..Duration::from_secs(61)).contains(&wait), "{wait:?}");
    // The rejected call has given its share back.
    tokio::time::sleep(Duration::from_secs(60)).await;
    ask(&provider, false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rate_limit_pauses_all_calls_if_the_vendor_reports_a_wait() {
    let refused = ProviderError::new(ProviderErrorKind::RateLimit, "slow down")
        .with_retry_after(Duration::from_secs(30));
    let model = Script::new().fails(refused).says("Oslo.");
    let provider: Arc<dyn Provider> = Arc::new(RateLimit::new(model));
    ask(&provider, true).await.unwrap_err();
    let started = tokio::time::Instant::now();
    ask(&provider, true).await.unwrap();
    let waited = started.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn router_takes_the_first_route_that_matches() {
    let small = named("small", Script::from_fn(|_| Answer::says("small")));
    let large = named("large", Script::from_fn(|_| Answer::says("large")));
    let router = Router::new(small).with_route("long", |request| request.turns.len() > 2, large);
    let mut chat = Chat::new(router);
    let trace = Recorder::new();
    assert_eq!(chat.chat("One").await.unwrap().text(), "small");
    assert_eq!(chat.chat("Two").await.unwrap().text(), "large");
    trace.assert_sound();
    assert_eq!(trace.span("chat small")["chatlas.route"], "default");
    assert_eq!(trace.span("chat large")["chatlas.route"], "long");
}

#[tokio::test]
async fn reply_names_the_provider_that_answered_so_that_its_price_is_found() {
    for streamed in [false, true] {
        let first = named("first", Script::new().fails(overloaded()));
        let second = named("second", Script::new().says("Oslo."));
        let third = named("third", Script::new().says("Oslo."));
        let fallback: Arc<dyn Provider> = Arc::new(Fallback::new(first).or(second));
        let router: Arc<dyn Provider> =
            Arc::new(Router::new(Script::new()).with_route("all", |_| true, third));
        for (provider, vendor) in [(fallback, "second"), (router, "third")] {
            let reply = ask(&provider, streamed).await.unwrap();
            let call = reply.turn.call.clone().unwrap();
            assert_eq!((&*call.vendor, call.requested_model.as_deref()), (vendor, Some(vendor)));
        }
    }
}

#[tokio::test]
async fn reply_from_the_cache_adds_nothing_to_usage() {
    let model = Script::from_fn(|_| Answer::says("Oslo.").with_tokens(7, 2));
    let provider: Arc<dyn Provider> = Arc::new(Cache::new(model, MemoryCache::new(10)));
    let mut counts = Vec::new();
    for _ in 0..2 {
        let mut chat = Chat::new(Arc::clone(&provider));
        chat.chat("Where?").await.unwrap();
        counts.push(chat.usage().input_tokens);
    }
    assert_eq!((counts[0], counts[1].unwrap_or(0)), (Some(7), 0));
}

#[tokio::test]
async fn composed_wrappers_record_each_model_call_once() {
    let first = named("first", Script::from_fn(|_| Answer::fails(overloaded())));
    let second = named("second", Script::from_fn(|_| Answer::says("Oslo.").with_tokens(7, 2)));
    let retried = Retry::new(first)
        .with_max_retries(1)
        .with_backoff(Backoff::new().with_first(Duration::from_millis(1)));
    let limited = RateLimit::new(Fallback::new(retried).or(second)).with_requests_per_minute(100);
    let provider: Arc<dyn Provider> = Arc::new(Cache::new(limited, MemoryCache::new(10)));
    let trace = Recorder::new();
    ask(&provider, true).await.unwrap();
    ask(&provider, true).await.unwrap();
    trace.assert_sound();
    assert_eq!(trace.spans_with_operation("chat").len(), 4, "{}", trace.tree());
    assert_eq!(trace.metric("gen_ai.invoke_agent.inference_calls").sum(), 3.0);
}
