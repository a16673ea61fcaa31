//! Recorded traffic with the vendors: the directory of the recordings, and their interactions,
//! selected by method and URL.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use base64::Engine as _;
use serde_json::Value;

/// One request and its response.
#[derive(Clone)]
pub struct Interaction {
    /// The name of its file: `folder/test`.
    pub name: String,
    pub method: String,
    /// The complete URL of the request.
    pub url: String,
    /// The request body: parsed JSON, or else a JSON string.
    pub request: Value,
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Interaction {
    /// Returns the response body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// Returns whether the response is server-sent events.
    pub fn streamed(&self) -> bool {
        self.content_type.starts_with("text/event-stream")
    }

    /// Returns whether a stream was requested, whatever the framing of the response.
    pub fn is_streamed(&self) -> bool {
        let is_aws_stream = self.content_type.starts_with("application/vnd.amazon.eventstream");
        let is_requested = self.request["stream"] == true || self.url.contains("stream");
        self.streamed() || is_aws_stream || is_requested
    }

    /// Returns the JSON events of a streamed response.
    pub fn events(&self) -> Vec<Value> {
        let data = self.text().lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(str::trim)
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).expect("an event is JSON"))
            .collect()
    }

    /// Returns the JSON of a complete response.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body is JSON")
    }
}

/// Interactions of one recorded test, in the order of the recording.
#[derive(Clone)]
pub struct Recording {
    /// The name of its file: `folder/test`.
    pub name: String,
    pub interactions: Vec<&'static Interaction>,
}

impl Recording {
    /// Returns the name of the test without its folder.
    pub fn test(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

/// Returns the directory of shared data, or `None` where it is missing. The default is `../shared`
/// next to the repository; the variable `CHATLAS_SHARED` overrides it.
pub fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("CHATLAS_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
        PathBuf::from,
    );
    folder.join("cassettes").is_dir().then_some(folder)
}

/// Returns the recordings that contain interactions whose method and URL are accepted by `fits`,
/// reduced to these interactions; none where the recordings are missing.
pub fn recordings(fits: impl Fn(&str, &str) -> bool) -> Vec<Recording> {
    let recordings = ALL.iter().map(|(name, interactions)| Recording {
        name: name.clone(),
        interactions: interactions
            .iter()
            .filter(|interaction| fits(&interaction.method, &interaction.url))
            .collect(),
    });
    recordings.filter(|recording| !recording.interactions.is_empty()).collect()
}

impl From<&'static Interaction> for Recording {
    fn from(interaction: &'static Interaction) -> Self {
        Self { name: interaction.name.clone(), interactions: vec![interaction] }
    }
}

/// Returns the recordings reduced to the interactions that `keep` accepts.
pub fn retained(recordings: &[Recording], keep: impl Fn(&Interaction) -> bool) -> Vec<Recording> {
    let mut recordings = recordings.to_vec();
    for recording in &mut recordings {
        recording.interactions.retain(|interaction| keep(interaction));
    }
    recordings.retain(|recording| !recording.interactions.is_empty());
    recordings
}

/// Returns the interaction with the shortest response, as one recording.
pub fn shortest(recordings: &[Recording]) -> Vec<Recording> {
    let all = interactions(recordings).into_iter();
    all.min_by_key(|interaction| interaction.body.len()).map(Recording::from).into_iter().collect()
}

/// Returns the interactions of all recordings.
pub fn interactions(recordings: &[Recording]) -> Vec<&'static Interaction> {
    recordings.iter().flat_map(|recording| recording.interactions.iter().copied()).collect()
}

/// Every recording, read once per process: its name and its interactions.
static ALL: LazyLock<Vec<(String, Vec<Interaction>)>> = LazyLock::new(|| {
    let Some(folder) = shared() else { return Vec::new() };
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("cassettes"))
        .expect("a folder")
        .filter_map(|entry| fs::read_dir(entry.expect("an entry").path()).ok())
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let read = |file: PathBuf| {
        let name = file.with_extension("");
        let name: Vec<_> = name.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        let name = format!("{}/{}", name[1], name[0]);
        let text = fs::read_to_string(&file).expect("a readable file");
        let recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
        let list = recording["interactions"].as_array().expect("interactions");
        let interactions = list.iter().map(|interaction| interaction_of(&name, interaction));
        let interactions = interactions.collect();
        (name, interactions)
    };
    files.into_iter().map(read).collect()
});

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
