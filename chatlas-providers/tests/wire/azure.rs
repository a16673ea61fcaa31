//! The URLs of Azure OpenAI.

use chatlas_core::Provider as _;
use chatlas_providers::azure::{AzureOpenAi, AzureOpenAiCompletions};

use super::fixed::{hi, run, server};

#[test]
fn the_api_version_is_sent_unless_the_url_of_the_resource_has_one() {
    let (options, sent) = server(503, "text/plain", String::new());
    for resource in ["mine.example", "https://mine.example/", "https://mine.example/openai/v1/"] {
        let responses = AzureOpenAi::new("m")
            .with_api_key("k")
            .with_resource(resource)
            .with_api_version("2030-01-01")
            .with_http(options.clone());
        let completions = AzureOpenAiCompletions::new("m")
            .with_api_key("k")
            .with_resource(resource)
            .with_api_version("2030-01-01")
            .with_http(options.clone());
        assert!(run(responses.chat(hi())).is_err());
        assert!(run(completions.chat(hi())).is_err());
    }
    let dated = [
        "https://mine.example/openai/responses?api-version=2030-01-01",
        "https://mine.example/openai/deployments/m/chat/completions?api-version=2030-01-01",
    ];
    let undated = [
        "https://mine.example/openai/v1/responses",
        "https://mine.example/openai/v1/chat/completions",
    ];
    let urls: Vec<String> = sent.all().into_iter().map(|request| request.url).collect();
    assert_eq!(urls, [dated, dated, undated].concat());
}
