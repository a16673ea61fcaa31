//! Azure OpenAI without an endpoint or without a key.

use chatlas::prelude::*;
use chatlas::{AzureOpenAi, AzureOpenAiCompletions, ProviderErrorKind};

#[tokio::test]
async fn missing_endpoint_and_missing_key_are_named_in_the_error() {
    let request = || chatlas::ChatRequest::new([Turn::user("hi")]);
    let error =
        AzureOpenAi::new("d").with_api_key("k").chat(request()).await.expect_err("no resource");
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
    assert!(error.message().contains("AZURE_OPENAI_ENDPOINT"), "{error}");
    let azure =
        AzureOpenAiCompletions::new("d").with_resource("https://a.example").with_api_key("");
    let error = azure.chat(request()).await.expect_err("no key");
    assert_eq!(error.kind(), ProviderErrorKind::Authentication);
    assert!(error.message().contains("AZURE_OPENAI_API_KEY"), "{error}");
}
