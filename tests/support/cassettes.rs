//! Recorded traffic with any vendor, where it is at hand: the folder, and its interactions by host
//! and path.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use serde_json::Value;

/// One request and its answer.
#[derive(Clone)]
pub struct Interaction {
    /// The file it stands in: `folder/test`.
    pub name: String,
    pub method: String,
    /// The whole address that was asked.
    pub url: String,
    /// The request's body, as JSON where it is JSON.
    pub request: Value,
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Interaction {
    /// The answer's body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// Whether the answer came as server-sent events.
    pub fn streamed(&self) -> bool {
        self.content_type.starts_with("text/event-stream")
    }

    /// Whether the answer was asked for as a stream, in whatever form it came.
    pub fn is_streamed(&self) -> bool {
        let of_aws = self.content_type.starts_with("application/vnd.amazon.eventstream");
        let asked = self.request["stream"] == true || self.url.contains("stream");
        self.streamed() || of_aws || asked
    }

    /// The JSON events of a streamed answer.
    pub fn events(&self) -> Vec<Value> {
        let data = self.text().lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(str::trim)
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).expect("an event is JSON"))
            .collect()
    }

    /// The JSON of an answer that came whole.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body is JSON")
    }
}

/// The folder of shared data, or `None` where it is missing: then tests skip, and say so. Under
/// `CI=true` that is a failure.
pub fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("CHATLAS_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
        PathBuf::from,
    );
    if folder.join("cassettes").is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "the recordings are missing: set CHATLAS_SHARED to the folder that holds `cassettes`"
    );
    println!("skipped: no recordings; set CHATLAS_SHARED to the folder that holds `cassettes`");
    None
}

/// The interactions of every file that fit, in the order of the recording; files without any are
/// left out. `fits` is given the method and the address.
pub fn interactions(fits: impl Fn(&str, &str) -> bool) -> Option<Vec<(String, Vec<Interaction>)>> {
    let folder = shared()?.join("cassettes");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .filter_map(|entry| fs::read_dir(entry.expect("an entry").path()).ok())
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.with_extension("");
        let name: Vec<_> = name.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        let name = format!("{}/{}", name[1], name[0]);
        let text = fs::read_to_string(&file).expect("a readable file");
        let recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
        let list = recording["interactions"].as_array().expect("interactions");
        let interactions: Vec<Interaction> = list
            .iter()
            .map(|interaction| interaction_of(&name, interaction))
            .filter(|interaction| fits(&interaction.method, &interaction.url))
            .collect();
        if !interactions.is_empty() {
            found.push((name, interactions));
        }
    }
    Some(found)
}

fn interaction_of(name: &str, interaction: &Value) -> Interaction {
    let (request, response) = (&interaction["request"], &interaction["response"]);
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = match &response["body"] {
        Value::String(text) if response["encoding"] == "base64" => {
            base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
        }
        Value::String(text) => text.clone().into_bytes(),
        Value::Null => Vec::new(),
        json => json.to_string().into_bytes(),
    };
    Interaction {
        name: name.to_owned(),
        method: string(&request["method"]),
        url: string(&request["uri"]),
        request: match &request["body"] {
            Value::String(text) => serde_json::from_str(text).unwrap_or(text.clone().into()),
            other => other.clone(),
        },
        status: u16::try_from(response["status"].as_u64().expect("a status")).expect("a status"),
        content_type: string(&response["headers"]["content-type"]),
        body,
    }
}
