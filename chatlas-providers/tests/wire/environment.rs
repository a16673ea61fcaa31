//! What providers take from the environment. A process cannot safely change its own, so each case
//! runs this test binary again, with an environment made for it.

use std::process::Command;
use std::sync::{Arc, Mutex};

use chatlas_core::{ChatRequest, Provider, Turn};
use chatlas_providers::auto::{auto, auto_from_env};
use chatlas_providers::azure::{AzureOpenAi, AzureOpenAiCompletions};
use chatlas_providers::completions::OpenAiCompletions;
use chatlas_providers::http::HttpOptions;
use chatlas_providers::openai::OpenAi;
use chatlas_providers::vendors::{Cloudflare, Databricks, Groq, LmStudio, Ollama};

/// Which case the child is to run.
const CASE: &str = "CHATLAS_TEST_CASE";

/// What the child finds in an environment of those variables alone.
fn found(case: &str, environment: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args([
            "environment::child_process",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env_clear()
        .env(CASE, case)
        .envs(environment.iter().copied())
        .output()
        .expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let line = printed.lines().find_map(|line| line.split_once("found: "));
    line.unwrap_or_else(|| panic!("{printed}")).1.to_owned()
}

/// Where a request goes and by which key, or why it does not.
async fn asked(provider: impl FnOnce(HttpOptions) -> Arc<dyn Provider>) -> String {
    let sent = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&sent);
    let options = HttpOptions::default().with_max_retries(0).with_sender(move |request| {
        let header = |name| request.headers().get(name).and_then(|key| key.to_str().ok());
        let key = header("authorization").or_else(|| header("api-key")).unwrap_or("no key");
        *seen.lock().expect("no panic") = format!("{} {key}", request.url());
        std::future::ready(Err::<reqwest::Response, _>("it has been seen"))
    });
    let request = ChatRequest::new([Turn::user("hi")]);
    let error = provider(options).chat(request).await.expect_err("there is no server");
    let sent = sent.lock().expect("no panic");
    if sent.is_empty() { error.to_string() } else { sent.clone() }
}

#[ignore = "run by the other tests"]
#[tokio::test]
async fn child_process() {
    macro_rules! asked {
        ($provider:ident) => {
            asked(|http| Arc::new($provider::new("m").with_http(http))).await
        };
    }
    let chosen = |provider: Result<Arc<dyn Provider>, _>| match provider {
        Ok(provider) => format!("{} {:?}", provider.info().name, provider.info().model),
        Err(error) => format!("{error}"),
    };
    let found = match std::env::var(CASE).expect("a case").as_str() {
        "azure" => asked!(AzureOpenAi),
        "azure-completions" => asked!(AzureOpenAiCompletions),
        "cloudflare" => asked!(Cloudflare),
        "databricks" => asked!(Databricks),
        "groq" => asked!(Groq),
        "lm-studio" => asked!(LmStudio),
        "ollama" => asked!(Ollama),
        "openai" => asked!(OpenAi),
        "openai-completions" => asked!(OpenAiCompletions),
        "auto" => chosen(auto("groq/m")),
        "auto_from_env" => chosen(auto_from_env()),
        other => panic!("no such case: {other}"),
    };
    println!("found: {found}");
}

#[test]
fn keys_and_addresses_are_read_from_the_environment() {
    for (case, environment, expected) in [
        ("openai", &[("OPENAI_API_KEY", "k")][..], "https://api.openai.com/v1/responses Bearer k"),
        (
            "openai",
            &[("OPENAI_BASE_URL", "http://box.example/v1/")],
            "http://box.example/v1/responses no key",
        ),
        (
            "openai-completions",
            &[("OPENAI_BASE_URL", "http://box.example/v1"), ("OPENAI_API_KEY", " k\n")],
            "http://box.example/v1/chat/completions Bearer k",
        ),
        (
            "azure",
            &[("AZURE_OPENAI_ENDPOINT", "https://a.example/"), ("AZURE_OPENAI_API_KEY", "k")],
            "https://a.example/openai/responses?api-version=2025-03-01-preview k",
        ),
        (
            "azure-completions",
            &[
                ("AZURE_OPENAI_ENDPOINT", "https://a.example"),
                ("AZURE_OPENAI_API_KEY", "k"),
                ("OPENAI_API_VERSION", "2024-10-21"),
            ],
            "https://a.example/openai/deployments/m/chat/completions?api-version=2024-10-21 k",
        ),
        (
            "cloudflare",
            &[("CLOUDFLARE_ACCOUNT_ID", "abc"), ("CLOUDFLARE_API_KEY", "k")],
            "https://api.cloudflare.com/client/v4/accounts/abc/ai/v1/chat/completions Bearer k",
        ),
        (
            "databricks",
            &[("DATABRICKS_HOST", "https://a.example"), ("DATABRICKS_TOKEN", "k")],
            "https://a.example/serving-endpoints/chat/completions Bearer k",
        ),
        ("ollama", &[], "http://localhost:11434/v1/chat/completions no key"),
        (
            "ollama",
            &[("OLLAMA_HOST", "box.example")],
            "http://box.example:11434/v1/chat/completions no key",
        ),
        (
            "lm-studio",
            &[("LMSTUDIO_BASE_URL", "http://box.example:99"), ("LMSTUDIO_API_KEY", "k")],
            "http://box.example:99/v1/chat/completions Bearer k",
        ),
    ] {
        assert_eq!(found(case, environment), expected, "{case} {environment:?}");
    }
}

#[test]
fn missing_variables_are_named_in_the_error() {
    for (case, environment, lacks) in [
        ("groq", &[][..], "GROQ_API_KEY"),
        ("groq", &[("GROQ_API_KEY", " ")], "GROQ_API_KEY"),
        ("azure", &[("AZURE_OPENAI_API_KEY", "k")], "AZURE_OPENAI_ENDPOINT"),
        ("azure", &[("AZURE_OPENAI_ENDPOINT", "https://a.example")], "AZURE_OPENAI_API_KEY"),
        ("databricks", &[("DATABRICKS_TOKEN", "k")], "DATABRICKS_HOST"),
        ("databricks", &[("DATABRICKS_HOST", "a.example")], "DATABRICKS_TOKEN"),
        ("auto", &[], "GROQ_API_KEY"),
        ("auto_from_env", &[], "CHATLAS_CHAT_PROVIDER_MODEL"),
    ] {
        let printed = found(case, environment);
        assert!(printed.contains(lacks), "{case}: {printed}");
    }
}

#[test]
fn auto_selects_the_provider_from_the_environment() {
    for (chosen, expected) in [
        ("ollama/qwen3:8b", "ollama Some(\"qwen3:8b\")"),
        ("groq", "groq Some(\"openai/gpt-oss-20b\")"),
        ("groq/openai/gpt-oss-120b", "groq Some(\"openai/gpt-oss-120b\")"),
    ] {
        let environment = [("CHATLAS_CHAT_PROVIDER_MODEL", chosen), ("GROQ_API_KEY", "k")];
        assert_eq!(found("auto_from_env", &environment), expected);
    }
    let printed = found("auto_from_env", &[("CHATLAS_CHAT_PROVIDER_MODEL", "gpt-4o")]);
    assert!(
        printed.starts_with("there is no provider `gpt-4o`; the supported ones are openai, "),
        "{printed}"
    );
}
