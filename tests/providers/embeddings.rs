//! Embeddings of every vendor against servers on loopback: the form of requests and responses,
//! limits, the order of vectors, token counts, errors.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{
    EmbeddingKind, EmbeddingRequest, Embeddings, Gemini, HttpOptions, OpenAi, OpenAiCompletions,
};
use serde_json::{Value, json};

/// The base64 of `[1.0, -0.5, 2.0]`.
const BASE64: &str = "AACAPwAAAL8AAABA";

async fn embed(
    model: &impl Provider,
    request: EmbeddingRequest,
) -> Result<Embeddings, ProviderError> {
    in_time(model.embed(request)).await
}

fn query(texts: &[&str]) -> EmbeddingRequest {
    EmbeddingRequest::new(texts.iter().copied()).with_kind(EmbeddingKind::Query)
}

/// Asserts the request line and the body of the only request.
fn assert_sent(server: &Server, target: &str, body: &Value) {
    let sent = server.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let line = format!("POST {target} HTTP/1.1\r\n");
    assert!(sent[0].head.starts_with(&line), "{}", sent[0].head);
    assert_eq!(&sent[0].body, body);
}

fn openai_answer() -> Value {
    json!({"object": "list", "model": "embed-1-2026", "usage": {"prompt_tokens": 7, "total_tokens": 7},
        "data": [{"object": "embedding", "index": 1, "embedding": [0.25, 1]},
            {"object": "embedding", "index": 0, "embedding": BASE64}]})
}

#[tokio::test]
async fn openai_is_sent_base64_and_vectors_are_ordered_by_index() {
    for responses in [true, false] {
        let server = Server::start(vec![Answer::json(200, &openai_answer())]);
        let request = EmbeddingRequest::new(["a", "b"]).with_dimensions(3);
        let found = if responses {
            embed(&OpenAi::new("embed-1").with_base_url(server.url()), request).await
        } else {
            embed(&OpenAiCompletions::new("embed-1").with_base_url(server.url()), request).await
        };
        let found = found.unwrap();
        assert_eq!(found.vectors, [vec![1.0, -0.5, 2.0], vec![0.25, 1.0]]);
        assert_eq!((found.model.as_deref(), found.tokens), (Some("embed-1-2026"), Some(7)));
        let body = json!({"model": "embed-1", "input": ["a", "b"], "dimensions": 3,
            "encoding_format": "base64"});
        assert_sent(&server, "/v1/embeddings", &body);
    }
}

#[tokio::test]
async fn usage_is_unknown_or_total_where_a_server_reports_no_prompt_tokens() {
    for (usage, tokens) in
        [(json!(null), None), (json!({"total_tokens": 5}), Some(5)), (json!({}), None)]
    {
        let body = json!({"data": [{"embedding": [1.5]}], "usage": usage});
        let server = Server::start(vec![Answer::json(200, &body)]);
        let model = OpenAiCompletions::new("m").with_base_url(server.url());
        let found = embed(&model, EmbeddingRequest::new(["a"])).await.unwrap();
        assert_eq!((found.vectors, found.tokens), (vec![vec![1.5]], tokens), "{usage}");
    }
}

#[cfg(feature = "azure")]
#[tokio::test]
async fn azure_has_the_deployment_in_the_url_except_in_its_versioned_api() {
    use chatlas::{AzureOpenAi, AzureOpenAiCompletions};
    let request = || EmbeddingRequest::new(["a", "b"]);
    let body = json!({"model": "d-1", "input": ["a", "b"], "encoding_format": "base64"});
    for (versioned, completions) in [(false, true), (false, false), (true, true), (true, false)] {
        let server = Server::start(vec![Answer::json(200, &openai_answer())]);
        let path = if versioned { "/openai/v1" } else { "" };
        let resource = format!("{}{path}", server.root());
        let found = if completions {
            let model = AzureOpenAiCompletions::new("d-1").with_resource(resource);
            embed(&model.with_api_version("2024-10-21").with_api_key("k"), request()).await
        } else {
            let model = AzureOpenAi::new("d-1").with_resource(resource);
            embed(&model.with_api_version("2024-10-21").with_api_key("k"), request()).await
        };
        assert_eq!(found.unwrap().vectors.len(), 2);
        let target = if versioned {
            "/openai/v1/embeddings"
        } else {
            "/openai/deployments/d-1/embeddings?api-version=2024-10-21"
        };
        assert_sent(&server, target, &body);
    }
}

#[cfg(feature = "mistral")]
#[tokio::test]
async fn mistral_names_the_dimensions_differently() {
    let server = Server::start(vec![Answer::json(200, &openai_answer())]);
    let model = chatlas::Mistral::new("codestral-embed").with_base_url(server.url());
    let request = EmbeddingRequest::new(["a", "b"]).with_dimensions(256);
    assert_eq!(embed(&model, request).await.unwrap().tokens, Some(7));
    let body = json!({"model": "codestral-embed", "input": ["a", "b"], "output_dimension": 256});
    assert_sent(&server, "/v1/embeddings", &body);
}

#[cfg(feature = "ollama")]
#[tokio::test]
async fn ollama_is_called_by_its_own_api() {
    let answer = json!({"model": "all-minilm", "embeddings": [[0.5, -1.0]], "total_duration": 9,
        "prompt_eval_count": 4});
    let server = Server::start(vec![Answer::json(200, &answer)]);
    let model = chatlas::Ollama::new("all-minilm").with_base_url(server.url());
    let request = EmbeddingRequest::new(["cat"]).with_truncate(false).with_dimensions(2);
    let found = embed(&model, request).await.unwrap();
    assert_eq!(found.vectors, [[0.5, -1.0]]);
    assert_eq!((found.model.as_deref(), found.tokens), (Some("all-minilm"), Some(4)));
    let body = json!({"model": "all-minilm", "input": ["cat"], "truncate": false, "dimensions": 2});
    assert_sent(&server, "/api/embed", &body);
}

#[tokio::test]
async fn gemini_embeds_a_batch_with_the_task_as_parameter_or_in_the_text() {
    let answer = json!({"embeddings": [{"values": [0.5]}, {"values": [1]}]});
    for (model, text, task) in [
        ("gemini-embedding-001", "a", Some("RETRIEVAL_QUERY")),
        ("gemini-embedding-2", "task: search result | query: a", None),
    ] {
        let server = Server::start(vec![Answer::json(200, &answer)]);
        let provider = Gemini::new(model).with_base_url(server.url()).with_api_key("k");
        let found = embed(&provider, query(&["a", "a"]).with_dimensions(8)).await.unwrap();
        assert_eq!((found.vectors, found.tokens), (vec![vec![0.5], vec![1.0]], None));
        let mut one = json!({"model": format!("models/{model}"),
            "content": {"parts": [{"text": text}]}, "outputDimensionality": 8});
        if let Some(task) = task {
            one["taskType"] = json!(task);
        }
        let target = format!("/v1/models/{model}:batchEmbedContents");
        assert_sent(&server, &target, &json!({"requests": [one, one]}));
    }
}

#[tokio::test]
async fn gemini_tokens_are_read_where_they_are_sent() {
    let answer =
        json!({"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 3}});
    let server = Server::start(vec![Answer::json(200, &answer)]);
    let model = Gemini::new("gemini-embedding-2").with_base_url(server.url()).with_api_key("k");
    assert_eq!(embed(&model, EmbeddingRequest::new(["a"])).await.unwrap().tokens, Some(3));
    let refused = EmbeddingRequest::new(["a"]).with_truncate(false);
    let error = embed(&model, refused).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
}

#[cfg(feature = "vertex")]
#[tokio::test]
async fn vertex_uses_the_method_of_each_model() {
    let vertex = |model: &str, server: &Server| {
        let model = chatlas::Vertex::new(model).with_project("p").with_location("europe-west4");
        model.with_base_url(server.url()).with_token_provider(|| async {
            Ok::<_, ProviderError>(chatlas::BearerToken::new("token"))
        })
    };
    let path = "/v1/projects/p/locations/europe-west4/publishers/google/models";
    let prediction = |value: f32, tokens: u32| {
        json!({"embeddings": {"values": [value],
            "statistics": {"token_count": tokens, "truncated": false}}})
    };
    let answer = json!({"predictions": [prediction(0.5, 2), prediction(1.0, 3)],
        "metadata": {"billableCharacterCount": 9}});
    let server = Server::start(vec![Answer::json(200, &answer)]);
    let request = query(&["a", "b"]).with_truncate(false).with_dimensions(1);
    let found = embed(&vertex("text-embedding-005", &server), request).await.unwrap();
    assert_eq!((found.vectors, found.tokens), (vec![vec![0.5], vec![1.0]], Some(5)));
    assert_sent(
        &server,
        &format!("{path}/text-embedding-005:predict"),
        &json!({"instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"},
                {"content": "b", "task_type": "RETRIEVAL_QUERY"}],
            "parameters": {"outputDimensionality": 1, "autoTruncate": false}}),
    );

    let answer = json!({"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 2}});
    let server = Server::start(vec![Answer::json(200, &answer)]);
    let request = EmbeddingRequest::new(["a"]).with_truncate(true);
    let found = embed(&vertex("gemini-embedding-2", &server), request).await.unwrap();
    assert_eq!(found.tokens, Some(2));
    assert_sent(
        &server,
        &format!("{path}/gemini-embedding-2:embedContent"),
        &json!({"content": {"parts": [{"text": "a"}]},
            "embedContentConfig": {"autoTruncate": true}}),
    );

    // One text in each request.
    let answer = json!({"predictions": [prediction(0.5, 2)]});
    let server = Server::start(vec![Answer::json(200, &answer)]);
    let model = vertex("gemini-embedding-001", &server);
    let found = embed(&model, query(&["a", "b", "c"])).await.unwrap();
    assert_eq!((found.vectors.len(), found.tokens, server.sent().len()), (3, Some(6), 3));
}

#[cfg(feature = "bedrock")]
mod bedrock {
    use super::*;
    use chatlas::Bedrock;

    fn model(name: &str, server: &Server) -> Bedrock {
        Bedrock::new(name).with_region("us-east-1").with_base_url(server.root()).with_api_key("key")
    }

    #[tokio::test]
    async fn titan_embeds_one_text_per_request() {
        let answer = json!({"embedding": [0.5, 1.0], "inputTextTokenCount": 3,
            "embeddingsByType": {"float": [0.5, 1.0]}});
        let server = Server::start(vec![Answer::json(200, &answer)]);
        let titan = model("amazon.titan-embed-text-v2:0", &server);
        let request = EmbeddingRequest::new(["a", "b"]).with_dimensions(256);
        let found = embed(&titan, request).await.unwrap();
        assert_eq!((found.vectors.len(), found.tokens), (2, Some(6)));
        let mut sent: Vec<_> = server.sent().into_iter().map(|sent| sent.body).collect();
        sent.sort_by_key(ToString::to_string);
        let body = |text: &str| json!({"inputText": text, "dimensions": 256});
        assert_eq!(sent, [body("a"), body("b")]);
        let head = &server.sent()[0].head;
        assert!(head.starts_with("POST /model/amazon.titan-embed-text-v2:0/invoke "), "{head}");
    }

    #[tokio::test]
    async fn cohere_vectors_are_read_in_both_forms_and_tokens_from_the_header() {
        for embeddings in
            [json!([[0.5], [1.0]]), json!({"int8": [[1], [2]], "float": [[0.5], [1.0]]})]
        {
            let answer = json!({"id": "e-1", "embeddings": embeddings, "texts": ["a", "b"],
                "response_type": "embeddings_floats"});
            let answer =
                Answer::json(200, &answer).header("x-amzn-bedrock-input-token-count", "11");
            let server = Server::start(vec![answer]);
            let cohere = model("us.cohere.embed-v4:0", &server);
            let request = query(&["a", "b"]).with_truncate(true).with_dimensions(1);
            let found = embed(&cohere, request).await.unwrap();
            assert_eq!((found.vectors, found.tokens), (vec![vec![0.5], vec![1.0]], Some(11)));
            assert_sent(
                &server,
                "/model/us.cohere.embed-v4:0/invoke",
                &json!({"texts": ["a", "b"], "input_type": "search_query",
                    "embedding_types": ["float"], "truncate": "END", "output_dimension": 1}),
            );
        }
    }

    #[tokio::test]
    async fn nova_embeds_one_text_for_a_purpose() {
        let answer = json!({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5]}]});
        let answer = Answer::json(200, &answer).header("x-amzn-bedrock-input-token-count", "2");
        let server = Server::start(vec![answer]);
        let nova = model("amazon.nova-2-multimodal-embeddings-v1:0", &server);
        let found = embed(&nova, EmbeddingRequest::new(["a"]).with_dimensions(256)).await.unwrap();
        assert_eq!((found.vectors, found.tokens), (vec![vec![0.5]], Some(2)));
        assert_eq!(
            server.sent()[0].body,
            json!({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {
                "embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 256,
                "text": {"truncationMode": "NONE", "value": "a"}}}),
        );
    }

    #[tokio::test]
    async fn models_without_a_setting_or_without_embeddings_are_errors() {
        let server = Server::start(vec![Answer::json(200, &json!({}))]);
        let dimensions = EmbeddingRequest::new(["a"]).with_dimensions(8);
        let truncate = EmbeddingRequest::new(["a"]).with_truncate(true);
        let invalid = ProviderErrorKind::InvalidRequest;
        for (name, request, kind) in [
            ("amazon.titan-embed-text-v1", dimensions.clone(), invalid),
            ("cohere.embed-english-v3", dimensions, invalid),
            ("amazon.titan-embed-text-v2:0", truncate, invalid),
            ("amazon.nova-lite-v1:0", EmbeddingRequest::new(["a"]), ProviderErrorKind::Unsupported),
        ] {
            let error = embed(&model(name, &server), request).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains(name), "{error}");
        }
        assert!(server.sent().is_empty());
    }
}

#[tokio::test]
async fn vendors_without_embeddings_are_unsupported() {
    let error =
        embed(&chatlas::Anthropic::new("m").with_api_key("k"), EmbeddingRequest::new(["a"]))
            .await
            .unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
    assert!(error.message().contains("anthropic"), "{error}");
}

#[tokio::test]
async fn no_inputs_need_no_request_and_an_empty_input_is_refused() {
    let server = Server::start(vec![Answer::json(500, &json!({}))]);
    let model = OpenAiCompletions::new("m").with_base_url(server.url());
    let found = embed(&model, EmbeddingRequest::default()).await.unwrap();
    assert_eq!((found.vectors.len(), found.tokens), (0, Some(0)));
    let error = embed(&model, EmbeddingRequest::new(["a", ""])).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
    assert!(error.message().contains("index 1"), "{error}");
    assert!(server.sent().is_empty());
}

#[tokio::test]
async fn malformed_responses_are_errors() {
    for data in [
        json!([]),
        json!([{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]),
        json!([{"index": 0, "embedding": [1]}, {"index": 2, "embedding": [1]}]),
        json!([{"index": 0, "embedding": [1]}, {"index": 1, "embedding": []}]),
        json!([{"index": 0, "embedding": [1]}, {"index": 1, "embedding": "AACA"}]),
        json!([{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [null]}]),
        json!(null),
    ] {
        let server = Server::start(vec![Answer::json(200, &json!({"data": data}))]);
        let model = OpenAiCompletions::new("m").with_base_url(server.url());
        let error = embed(&model, EmbeddingRequest::new(["a", "b"])).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply, "{data}: {error}");
    }
}

#[tokio::test]
async fn errors_of_the_vendor_name_its_limits() {
    let body = json!({"error": {"message": "too long.", "type": "invalid_request_error"}});
    let server = Server::start(vec![Answer::json(400, &body)]);
    let model = OpenAi::new("m").with_base_url(server.url());
    let error = embed(&model, EmbeddingRequest::new(["a"])).await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    for part in ["too long; openai accepts at most 2048 inputs", "300000 tokens", "8192 tokens per"]
    {
        assert!(error.message().contains(part), "{error}");
    }
}

/// A server that embeds each input as its length, sends the vectors of a request in reverse, and
/// answers the first request last. Requests with more than `most` inputs are too large.
fn echo(most: usize) -> (String, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let counts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&counts);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                let mut reader = BufReader::new(connection.unwrap());
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).unwrap() > 2 {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                let inputs = body["input"].as_array().unwrap();
                seen.lock().unwrap().push(inputs.len());
                let lengths: Vec<usize> =
                    inputs.iter().map(|input| input.as_str().unwrap().len()).collect();
                if lengths.contains(&1) {
                    std::thread::sleep(Duration::from_millis(100));
                }
                let data: Vec<Value> = lengths
                    .iter()
                    .enumerate()
                    .rev()
                    .map(|(index, length)| json!({"index": index, "embedding": [length]}))
                    .collect();
                let (status, body) = if inputs.len() > most {
                    (413, json!({"error": "batch too large"}))
                } else {
                    (200, json!({"data": data, "usage": {"prompt_tokens": inputs.len()}}))
                };
                let (body, connection) = (body.to_string(), reader.get_mut());
                write!(
                    connection,
                    "HTTP/1.1 {status} S\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            });
        }
    });
    (url, counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_joined_in_order_below_one_span() {
    for (most, sizes) in [(2048, vec![2, 2048, 2048]), (1100, vec![2, 1024, 1024, 1024, 1024])] {
        let recorder = Recorder::new();
        let (url, counts) = echo(most);
        let http = HttpOptions::default().with_max_retries(0);
        let model = OpenAiCompletions::new("embed-1").with_base_url(url).with_http(http);
        let model = model.with_http_spans(true);
        let texts = (1..=4098).map(|length: usize| "a".repeat(length % 97 + 1));
        let request = EmbeddingRequest::new(texts);
        let lengths: Vec<Vec<f32>> = request
            .inputs
            .iter()
            .map(|text| vec![f32::from(u16::try_from(text.len()).unwrap())])
            .collect();
        let found = embed(&model, request).await.unwrap();
        assert_eq!(found.vectors, lengths);
        assert_eq!(found.tokens, Some(4098));
        let mut counts: Vec<usize> =
            counts.lock().unwrap().iter().copied().filter(|count| *count <= most).collect();
        counts.sort_unstable();
        assert_eq!(counts, sizes);
        recorder.assert_sound();
        let spans = recorder.spans();
        let of_call = spans.iter().filter(|span| span.name() == "embeddings embed-1");
        assert_eq!(of_call.count(), 1);
        let span = recorder.span("embeddings embed-1");
        assert_eq!(span["gen_ai.usage.input_tokens"], json!(4098));
    }
}
