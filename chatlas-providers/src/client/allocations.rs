//! Counts the allocations of a stream's events, from the bytes of the body to the event that the
//! consumer takes. Events that arrive together are decoded in place: an event of text allocates its
//! text, and what the bounds below list.

use allocation_counter::measure;
use bytes::Bytes;
use chatlas_core::CompletionEvent;
use chatlas_core::provider::Protocol as _;
use futures_util::{FutureExt as _, StreamExt as _};
use reqwest::{Body, Response};

use super::decode::Incoming;
use super::{Client, Dialect, Origin, ReplyHead};
use crate::anthropic::Messages;
use crate::completions::ChatCompletions;
use crate::google::GenerateContent;
use crate::openai::Responses;

/// The number of events in the shorter of two streams that are compared.
const EVENTS: u64 = 1_000;

/// Returns the allocations of `EVENTS` more events of text. Those of the longer texts that are
/// collected, whose buffers are doubled, are included.
fn allocations_of_events<D: Dialect>(begin: &str, event: &str, end: &str) -> u64 {
    let allocations = |events: u64| {
        let count = usize::try_from(events).unwrap();
        let body = Bytes::from([begin, &event.repeat(count), end].concat());
        let client = Client::<D>::of_vendor(D::VENDOR, D::Quirks::default());
        let response = Response::from(http::Response::new(Body::from("")));
        let head = ReplyHead {
            vendor: D::VENDOR,
            model: "model",
            status: 200,
            headers: response.headers(),
        };
        let decoder = client.dialect.decoder(&head, None);
        let secrets = client.endpoint.secrets();
        let origin = Origin { vendor: D::VENDOR.name, secrets, request_id: None };
        let mut incoming = Incoming::<D::Decoder, D::Framing>::new(body, response, decoder, origin);
        let mut texts = 0;
        let counted = measure(|| {
            // Everything has arrived, so that the stream is always ready.
            while let Some(event) = incoming.next().now_or_never().unwrap() {
                texts += u64::from(matches!(event.unwrap(), CompletionEvent::Text(_)));
            }
        });
        assert_eq!(texts, events);
        counted.count_total
    };
    // The first stream initializes what later ones share.
    allocations(1);
    allocations(2 * EVENTS) - allocations(EVENTS)
}

/// Fails unless an event makes `each` allocations. The buffer of the collected text may grow once.
#[track_caller]
fn assert_each(allocations: u64, each: u64) {
    let bound = each * EVENTS..=each * EVENTS + 1;
    assert!(bound.contains(&allocations), "{allocations} allocations of {EVENTS} events");
}

#[test]
fn chat_completions_event_allocates_its_text_and_the_list_of_choices() {
    let event = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
        \"model\":\"gpt-4o\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp\",\
        \"choices\":[{\"index\":0,\"delta\":{\"content\":\"ten bytes.\"},\"logprobs\":null,\
        \"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"k2\"}\n\n";
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
        data: [DONE]\n\n";
    let allocations = allocations_of_events::<ChatCompletions>("", event, end);
    assert_each(allocations, 2);
}

#[test]
fn responses_event_allocates_its_text() {
    let begin = "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r1\",\
        \"model\":\"gpt-4o\"}}\n\n\
        data: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"m1\",\
        \"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}\n\n";
    let event = "event: response.output_text.delta\n\
        data: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"item_id\":\"m1\",\
        \"output_index\":0,\"content_index\":0,\"delta\":\"ten bytes.\",\"logprobs\":[],\
        \"obfuscation\":\"k2\"}\n\n";
    let end = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r1\",\
        \"status\":\"completed\",\"output\":[]}}\n\n";
    assert_each(allocations_of_events::<Responses>(begin, event, end), 1);
}

#[test]
fn messages_event_allocates_its_text() {
    let begin = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\
        \"model\":\"claude\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n\n\
        data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\
        \"text\":\"\"}}\n\n";
    let event = "event: content_block_delta\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\
        \"text\":\"ten bytes.\"}}\n\n";
    let end = "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
        data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\
        \"usage\":{\"output_tokens\":1}}\n\n\
        data: {\"type\":\"message_stop\"}\n\n";
    assert_each(allocations_of_events::<Messages>(begin, event, end), 1);
}

#[test]
fn gemini_event_allocates_its_text_the_counts_and_the_lists() {
    let event = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ten bytes.\"}],\
        \"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":120,\
        \"totalTokenCount\":134,\"promptTokensDetails\":[{\"modality\":\"TEXT\",\
        \"tokenCount\":120}]},\"modelVersion\":\"gemini\",\"responseId\":\"g1\"}\n\n";
    let end = "data: {\"candidates\":[{\"index\":0,\"finishReason\":\"STOP\"}]}\n\n";
    let allocations = allocations_of_events::<GenerateContent>("", event, end);
    // The text, the counts, and the lists of candidates, parts and modalities.
    assert_each(allocations, 5);
}
