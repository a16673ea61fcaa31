//! The URLs of Vertex AI.

use chatlas_core::{Provider as _, ProviderError};
use chatlas_providers::google::Vertex;
use chatlas_providers::http::BearerToken;

use super::fixed::{hi, run, server};

/// Returns the URL that a request is sent to.
fn url(vertex: Vertex) -> String {
    let reply = r#"{"candidates": [{"finishReason": "STOP"}]}"#;
    let (options, sent) = server(200, "application/json", reply.to_owned());
    run(vertex.with_http(options).chat(hi())).expect("a reply");
    sent.all().into_iter().map(|request| request.url).collect()
}

fn with_token(vertex: Vertex) -> Vertex {
    vertex.with_token_provider(|| async { Ok::<_, ProviderError>(BearerToken::new("t")) })
}

#[test]
fn each_location_and_each_kind_of_model_has_its_url() {
    let url = |model: &str, location: &str| {
        url(with_token(Vertex::new(model).with_project("p").with_location(location)))
    };
    let path = "publishers/google/models/gemini-3.5-flash:generateContent";
    for (location, host) in [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ] {
        let expected = format!("https://{host}/v1/projects/p/locations/{location}/{path}");
        assert_eq!(url("gemini-3.5-flash", location), expected);
    }
    let root = "https://us-east1-aiplatform.googleapis.com/v1/projects";
    for (model, resource) in [
        ("endpoints/12", "p/locations/us-east1/endpoints/12"),
        ("projects/q/locations/l/endpoints/12", "q/locations/l/endpoints/12"),
        ("publishers/a/models/m", "p/locations/us-east1/publishers/a/models/m"),
    ] {
        assert_eq!(url(model, "us-east1"), format!("{root}/{resource}:generateContent"));
    }
}

#[test]
fn without_a_project_a_key_is_needed() {
    // The project may be set by an environment variable.
    if std::env::var_os("GOOGLE_CLOUD_PROJECT").is_some() {
        return;
    }
    let vertex = || Vertex::new("gemini-3.5-flash").with_location("global");
    let error = run(with_token(vertex()).chat(hi())).expect_err("an error");
    assert!(error.message().contains("GOOGLE_CLOUD_PROJECT"), "{error}");
    let root = "https://aiplatform.googleapis.com/v1";
    assert_eq!(
        url(vertex().with_api_key("k")),
        format!("{root}/publishers/google/models/gemini-3.5-flash:generateContent")
    );
}
