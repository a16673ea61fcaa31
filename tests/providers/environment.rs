//! Anthropic and Bedrock as the environment alone sets them: each in a process of its own, which
//! has no other variables than those of the test.

use std::process::{Command, Output};

use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use chatlas::ChatRequest;
use chatlas::prelude::*;
use serde_json::json;

/// What the process of a test is to do.
const TASK: &str = "CHATLAS_TEST_TASK";

/// Runs this very test binary, for that task, with those variables and no others.
fn process(task: &str, variables: &[(&str, &str)]) -> (String, Output) {
    let mut command = Command::new(std::env::current_exe().expect("a test binary"));
    command.args(["environment::the_process_of_a_test", "--exact", "--ignored", "--nocapture"]);
    command.env_clear().env(TASK, task).env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.envs(variables.iter().copied()).output().expect("a process");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output)
}

async fn ask(model: impl Provider) {
    match in_time(model.chat(ChatRequest::new([Turn::user("hi")]))).await {
        Ok(reply) => println!("said: {}", reply.text()),
        Err(error) => println!("failed: {error}"),
    }
}

#[tokio::test]
#[ignore = "it is what the other tests here start"]
async fn the_process_of_a_test() {
    match std::env::var(TASK).as_deref() {
        Ok("anthropic") => ask(chatlas::Anthropic::new("claude-1")).await,
        #[cfg(feature = "bedrock")]
        Ok("bedrock") => ask(chatlas::Bedrock::new("amazon.nova-lite-v1:0")).await,
        _ => {}
    }
}

#[test]
fn anthropic_takes_its_key_and_address_from_the_environment() {
    let said = json!({"content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"});
    let server = Server::start(vec![Answer::json(200, &said)]);
    for url in [server.root().to_owned(), format!("{}/v1/", server.root())] {
        let variables = [("ANTHROPIC_API_KEY", " k-env\n"), ("ANTHROPIC_BASE_URL", &url)];
        let (told, output) = process("anthropic", &variables);
        assert!(told.contains("said: ok"), "{told} {output:?}");
        let head = server.sent().pop().expect("a request").head;
        assert!(head.starts_with("POST /v1/messages HTTP/1.1"), "{head}");
        assert!(head.contains("x-api-key: k-env\r\n"), "{head}");
    }
    let (told, output) = process("anthropic", &[]);
    assert!(told.contains("set the environment variable ANTHROPIC_API_KEY"), "{told} {output:?}");
}

#[cfg(feature = "bedrock")]
mod bedrock {
    use std::fs;
    use std::path::PathBuf;

    use super::{Answer, Server, json, process};

    const ENDPOINT: &str = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME";

    fn said() -> Answer {
        let content = json!([{"text": "ok"}]);
        let message = json!({"role": "assistant", "content": content});
        Answer::json(200, &json!({"output": {"message": message}, "stopReason": "end_turn"}))
    }

    /// The head of the request that a process with those variables sends.
    fn head(server: &Server, variables: &[(&str, &str)]) -> String {
        let endpoint = [(ENDPOINT, server.root())];
        let (told, output) = process("bedrock", &[&endpoint, variables].concat());
        assert!(told.contains("said: ok"), "{told} {output:?}");
        server.sent().pop().expect("a request").head
    }

    /// A folder with the files that AWS's tools share.
    fn home() -> PathBuf {
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("home_of_bedrock");
        fs::create_dir_all(home.join(".aws")).expect("a folder");
        let config = "[default]\nregion = eu-north-1\n[profile work]\nregion = eu-south-1\n";
        let keys = "[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = s\n\
            [work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = s\n";
        fs::write(home.join(".aws/config"), config).expect("a file");
        fs::write(home.join(".aws/credentials"), keys).expect("a file");
        home
    }

    #[test]
    fn a_key_or_credentials_and_a_region_come_from_the_environment_or_a_profile() {
        let server = Server::start(vec![said()]);
        let keys = [
            ("AWS_ACCESS_KEY_ID", "AKIDENV"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
        ];
        let token = [("AWS_BEARER_TOKEN_BEDROCK", "k-env")];
        let head_of = |variables: &[(&str, &str)]| head(&server, variables);
        assert!(head_of(&[&keys[..], &token].concat()).contains("authorization: Bearer k-env\r\n"));
        for (name, scope) in [("AWS_REGION", "us-east-2"), ("AWS_DEFAULT_REGION", "us-west-1")] {
            let head = head_of(&[&keys[..], &[(name, scope)]].concat());
            assert!(head.contains("Credential=AKIDENV/"), "{head}");
            assert!(head.contains(&format!("/{scope}/bedrock/aws4_request")), "{head}");
            assert!(head.contains("x-amz-security-token: token"), "{head}");
        }
        let home = home();
        let home = [("HOME", home.to_str().expect("a path"))];
        let head = head_of(&home);
        assert!(head.contains("Credential=AKIDDEFAULT/"), "{head}");
        assert!(head.contains("/eu-north-1/bedrock/aws4_request"), "{head}");
        let head = head_of(&[&home[..], &[("AWS_PROFILE", "work")]].concat());
        assert!(head.contains("Credential=AKIDWORK/"), "{head}");
        assert!(head.contains("/eu-south-1/bedrock/aws4_request"), "{head}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let (told, output) = process("bedrock", &[]);
        assert!(told.contains("set the environment variable AWS_REGION"), "{told} {output:?}");
        let (told, output) = process("bedrock", &[("AWS_REGION", "us-east-1")]);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK"] {
            assert!(told.contains(name), "{told} {output:?}");
        }
    }

    /// What a container is given: found by the AWS SDK's own chain, over our HTTP client.
    #[cfg(feature = "bedrock-aws-config")]
    #[test]
    fn the_credentials_of_a_container_are_found() {
        let keys = json!({"AccessKeyId": "AKIDTASK", "SecretAccessKey": "secret",
            "Token": "token", "Expiration": "2099-01-01T00:00:00Z"});
        let server = Server::start(vec![Answer::json(200, &keys), said()]);
        let uri = format!("{}/credentials", server.root());
        let variables = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*uri),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-the-task"),
        ];
        let signed = head(&server, &variables);
        assert!(signed.contains("Credential=AKIDTASK/"), "{signed}");
        let asked = &server.sent()[0].head;
        assert!(asked.starts_with("GET /credentials HTTP/1.1"), "{asked}");
        assert!(asked.contains("authorization: of-the-task"), "{asked}");
    }
}
