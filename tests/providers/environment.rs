//! Settings of Anthropic and Bedrock from environment variables. Each test runs in a child process
//! with only the variables of the test.

use std::process::{Command, Output};

use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use chatlas::ChatRequest;
use chatlas::prelude::*;
use serde_json::json;

/// The variable with the task of the child process.
const TASK: &str = "CHATLAS_TEST_TASK";

/// Runs this test binary for a task, with these variables and no others.
fn process(task: &str, variables: &[(&str, &str)]) -> (String, Output) {
    let mut command = Command::new(std::env::current_exe().expect("a test binary"));
    command.args(["environment::child_process", "--exact", "--ignored", "--nocapture"]);
    command.env_clear().env(TASK, task).env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.envs(variables.iter().copied()).output().expect("a process");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output)
}

async fn run(model: impl Provider) {
    match in_time(model.chat(ChatRequest::new([Turn::user("hi")]))).await {
        Ok(reply) => println!("reply:  {}", reply.text()),
        Err(error) => println!("failed: {error}"),
    }
}

#[tokio::test]
#[ignore = "run by other tests"]
async fn child_process() {
    match std::env::var(TASK).as_deref() {
        Ok("anthropic") => run(chatlas::Anthropic::new("claude-1")).await,
        #[cfg(feature = "bedrock")]
        Ok("bedrock") => run(chatlas::Bedrock::new("amazon.nova-lite-v1:0")).await,
        _ => {}
    }
}

#[test]
fn anthropic_reads_its_key_and_base_url_from_the_environment() {
    let body = json!({"content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"});
    let server = Server::start(vec![Answer::json(200, &body)]);
    for url in [server.root().to_owned(), format!("{}/v1/", server.root())] {
        let variables = [("ANTHROPIC_API_KEY", " k-env\n"), ("ANTHROPIC_BASE_URL", &url)];
        let (stdout, output) = process("anthropic", &variables);
        assert!(stdout.contains("reply:  ok"), "{stdout} {output:?}");
        let head = server.sent().pop().expect("a request").head;
        assert!(head.starts_with("POST /v1/messages HTTP/1.1"), "{head}");
        assert!(head.contains("x-api-key: k-env\r\n"), "{head}");
    }
    let (stdout, output) = process("anthropic", &[]);
    assert!(
        stdout.contains("set the environment variable ANTHROPIC_API_KEY"),
        "{stdout} {output:?}"
    );
}

#[cfg(feature = "bedrock")]
mod bedrock {
    use std::fs;
    use std::path::PathBuf;

    use super::{Answer, Server, json, process};

    const ENDPOINT: &str = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME";

    fn reply() -> Answer {
        let content = json!([{"text": "ok"}]);
        let message = json!({"role": "assistant", "content": content});
        Answer::json(200, &json!({"output": {"message": message}, "stopReason": "end_turn"}))
    }

    /// Returns the head of the request that a process with these variables sends.
    fn head(server: &Server, variables: &[(&str, &str)]) -> String {
        let endpoint = [(ENDPOINT, server.root())];
        let (stdout, output) = process("bedrock", &[&endpoint, variables].concat());
        assert!(stdout.contains("reply:  ok"), "{stdout} {output:?}");
        server.sent().pop().expect("a request").head
    }

    /// Returns a directory with the configuration files of AWS's tools.
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
    fn bedrock_reads_credentials_and_region_from_the_environment_or_a_profile() {
        let server = Server::start(vec![reply()]);
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
    fn missing_settings_are_named_in_the_error() {
        let (stdout, output) = process("bedrock", &[]);
        assert!(stdout.contains("set the environment variable AWS_REGION"), "{stdout} {output:?}");
        let (stdout, output) = process("bedrock", &[("AWS_REGION", "us-east-1")]);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK"] {
            assert!(stdout.contains(name), "{stdout} {output:?}");
        }
    }

    /// The credentials of a container: found by the AWS SDK's own chain, over the library's HTTP client.
    #[cfg(feature = "bedrock-aws-config")]
    #[test]
    fn container_credentials_are_found() {
        let keys = json!({"AccessKeyId": "AKIDTASK", "SecretAccessKey": "secret",
            "Token": "token", "Expiration": "2099-01-01T00:00:00Z"});
        let server = Server::start(vec![Answer::json(200, &keys), reply()]);
        let uri = format!("{}/credentials", server.root());
        let variables = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*uri),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-the-task"),
        ];
        let signed = head(&server, &variables);
        assert!(signed.contains("Credential=AKIDTASK/"), "{signed}");
        let request = &server.sent()[0].head;
        assert!(request.starts_with("GET /credentials HTTP/1.1"), "{request}");
        assert!(request.contains("authorization: of-the-task"), "{request}");
    }
}
