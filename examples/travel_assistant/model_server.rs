//! A model server for this example: it speaks the Responses API over HTTP on loopback, streaming
//! or not, and knows one thing, the weather being asked for before anything is packed.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ADVICE: &str = "Pack a light rain jacket, layers for about 14°C, and a compact umbrella for \
                      breezy, rainy Tokyo.";
const TIME_TO_FIRST_CHUNK: Duration = Duration::from_millis(200);
const TIME_PER_CHUNK: Duration = Duration::from_millis(20);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Starts the server on a free port, and tells its base URL.
pub(crate) async fn start() -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let base_url = format!("http://{}/v1", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service_fn(answer));
            // A client that goes away ends its connection, and nothing else.
            tokio::spawn(serving);
        }
    });
    Ok(base_url)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = match request.into_body().collect().await {
        Ok(body) => serde_json::from_slice::<Value>(&body.to_bytes()).unwrap_or_default(),
        Err(_) => Value::Null,
    };
    if path != "/v1/responses" || !body["input"].is_array() {
        let error = json!({"error": {
            "message": "this server answers POST /v1/responses with an `input`",
            "type": "invalid_request_error",
            "code": "unknown_url",
        }});
        return Ok(reply(StatusCode::NOT_FOUND, "application/json", whole(&error)));
    }
    let response = respond(&body);
    if body["stream"] == true {
        return Ok(reply(StatusCode::OK, "text/event-stream", streamed(&response)));
    }
    tokio::time::sleep(TIME_TO_FIRST_CHUNK).await;
    Ok(reply(StatusCode::OK, "application/json", whole(&response)))
}

fn reply(
    status: StatusCode,
    kind: &'static str,
    chunks: impl Stream<Item = String> + Send + 'static,
) -> Response<Body> {
    let frames = chunks.map(|chunk| Ok(Frame::data(Bytes::from(chunk))));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

fn whole(value: &Value) -> impl Stream<Item = String> + Send + 'static {
    stream::iter([value.to_string()])
}

/// The response to a request: a tool call, or advice once a tool has answered.
fn respond(request: &Value) -> Value {
    let input = request["input"].as_array().map(Vec::as_slice).unwrap_or_default();
    let answered = input.iter().any(|item| item["type"] == "function_call_output");
    let (id, item, tokens) = if answered {
        let text = json!({"type": "output_text", "text": ADVICE, "annotations": []});
        let item = json!({
            "id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
            "content": [text],
        });
        ("resp_2", item, (116, 24))
    } else {
        let item = json!({
            "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1",
            "name": "get_weather", "arguments": json!({"city": "Tokyo"}).to_string(),
        });
        ("resp_1", item, (76, 15))
    };
    json!({
        "id": id,
        "object": "response",
        "status": "completed",
        "model": "gpt-4o-2024-08-06",
        "output": [item],
        "usage": {
            "input_tokens": tokens.0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": tokens.1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens.0 + tokens.1,
        },
    })
}

/// The same response as server-sent events, in a model's time.
fn streamed(response: &Value) -> impl Stream<Item = String> + Send + 'static {
    let events = events(response);
    stream::iter(events.into_iter().enumerate()).then(|(number, event)| async move {
        let wait = if number == 0 { TIME_TO_FIRST_CHUNK } else { TIME_PER_CHUNK };
        tokio::time::sleep(wait).await;
        let mut event = event;
        event["sequence_number"] = number.into();
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    })
}

fn events(response: &Value) -> Vec<Value> {
    let mut begun = response.clone();
    begun["status"] = "in_progress".into();
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    let item = &response["output"][0];
    let id = &item["id"];
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": unfinished(item)}),
    ];
    if let Some(arguments) = item["arguments"].as_str() {
        let kind = "response.function_call_arguments";
        events.extend([
            json!({"type": format!("{kind}.delta"), "item_id": id, "output_index": 0, "delta": arguments}),
            json!({"type": format!("{kind}.done"), "item_id": id, "output_index": 0, "arguments": arguments}),
        ]);
    } else {
        let part = &item["content"][0];
        let begun = json!({"type": "output_text", "text": "", "annotations": []});
        let at = |event: Value| {
            let mut event = event;
            event["item_id"] = id.clone();
            event["output_index"] = 0.into();
            event["content_index"] = 0.into();
            event
        };
        events.push(at(json!({"type": "response.content_part.added", "part": begun})));
        for word in ADVICE.split_inclusive(' ') {
            events.push(at(json!({"type": "response.output_text.delta", "delta": word})));
        }
        events.push(at(json!({"type": "response.output_text.done", "text": ADVICE})));
        events.push(at(json!({"type": "response.content_part.done", "part": part})));
    }
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    events.push(json!({"type": "response.completed", "response": response}));
    events
}

/// An item as it is announced.
fn unfinished(item: &Value) -> Value {
    let mut item = item.clone();
    item["status"] = "in_progress".into();
    if item["arguments"].is_string() {
        item["arguments"] = "".into();
    } else {
        item["content"] = json!([]);
    }
    item
}
