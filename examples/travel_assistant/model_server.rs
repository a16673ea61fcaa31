//! A local model server for the examples, with the Responses API of OpenAI, streaming or not. Its model
//! first calls `get_weather`, and then gives packing advice.

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

/// Starts the server on a free port and returns its base URL.
pub(crate) async fn start() -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let base_url = format!("http://{}/v1", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service_fn(answer));
            // A connection error affects only that connection.
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
            "message": "this server supports only POST /v1/responses with an `input` array",
            "type": "invalid_request_error",
            "code": "unknown_url",
        }});
        return Ok(reply(StatusCode::NOT_FOUND, "application/json", complete(&error)));
    }
    let response = response_to(&body);
    if body["stream"] == true {
        return Ok(reply(StatusCode::OK, "text/event-stream", streaming(&response)));
    }
    tokio::time::sleep(TIME_TO_FIRST_CHUNK).await;
    Ok(reply(StatusCode::OK, "application/json", complete(&response)))
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

fn complete(value: &Value) -> impl Stream<Item = String> + Send + 'static {
    stream::iter([value.to_string()])
}

/// Returns the response to a request: a tool call, or the advice if the request has a tool result.
fn response_to(request: &Value) -> Value {
    let input = request["input"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has_tool_result = input.iter().any(|item| item["type"] == "function_call_output");
    let (id, item, (input_tokens, output_tokens)) = if has_tool_result {
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
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + output_tokens,
        },
    })
}

/// Returns the response as server-sent events, with realistic delays.
fn streaming(response: &Value) -> impl Stream<Item = String> + Send + 'static {
    let events = events(response);
    stream::iter(events.into_iter().enumerate()).then(|(number, mut event)| async move {
        let delay = if number == 0 { TIME_TO_FIRST_CHUNK } else { TIME_PER_CHUNK };
        tokio::time::sleep(delay).await;
        event["sequence_number"] = number.into();
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    })
}

fn events(response: &Value) -> Vec<Value> {
    let mut started = response.clone();
    started["status"] = "in_progress".into();
    started["output"] = json!([]);
    started["usage"] = Value::Null;
    let item = &response["output"][0];
    let id = &item["id"];
    let mut events = vec![
        json!({"type": "response.created", "response": started}),
        json!({"type": "response.in_progress", "response": started}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": in_progress(item)}),
    ];
    if let Some(arguments) = item["arguments"].as_str() {
        let kind = "response.function_call_arguments";
        events.extend([
            json!({"type": format!("{kind}.delta"), "item_id": id, "output_index": 0, "delta": arguments}),
            json!({"type": format!("{kind}.done"), "item_id": id, "output_index": 0, "arguments": arguments}),
        ]);
    } else {
        let part = &item["content"][0];
        let empty = json!({"type": "output_text", "text": "", "annotations": []});
        let with_position = |mut event: Value| {
            event["item_id"] = id.clone();
            event["output_index"] = 0.into();
            event["content_index"] = 0.into();
            event
        };
        events.push(with_position(json!({"type": "response.content_part.added", "part": empty})));
        for word in ADVICE.split_inclusive(' ') {
            events
                .push(with_position(json!({"type": "response.output_text.delta", "delta": word})));
        }
        events.push(with_position(json!({"type": "response.output_text.done", "text": ADVICE})));
        events.push(with_position(json!({"type": "response.content_part.done", "part": part})));
    }
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    events.push(json!({"type": "response.completed", "response": response}));
    events
}

/// Returns an output item before its content has been generated.
fn in_progress(item: &Value) -> Value {
    let mut item = item.clone();
    item["status"] = "in_progress".into();
    if item["arguments"].is_string() {
        item["arguments"] = "".into();
    } else {
        item["content"] = json!([]);
    }
    item
}
