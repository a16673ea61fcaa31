//! The floor: a loop over `reqwest` and typed `serde` structs, written by hand for each protocol.

mod completions;
mod gemini;
mod messages;
mod responses;
mod sse;

use std::sync::Arc;

use support::{Work, hold_idle, runtime, text};
use tokio::sync::mpsc::UnboundedSender;

/// Sends one request and reads its reply.
pub struct Http {
    client: reqwest::Client,
    url: String,
    /// The header that holds the key.
    key: (&'static str, &'static str),
    /// Receives a message for each piece of text, where idle streams are counted.
    pieces: Option<UnboundedSender<()>>,
}

impl Http {
    async fn post(&self, body: Vec<u8>) -> reqwest::Response {
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let response = request.header(self.key.0, self.key.1).body(body).send().await;
        response.and_then(reqwest::Response::error_for_status).expect("a reply")
    }

    fn piece(&self) {
        if let Some(pieces) = &self.pieces {
            pieces.send(()).expect("a receiver");
        }
    }
}

fn main() {
    runtime().block_on(run());
}

async fn run() {
    let work = Work::from_env();
    let api = text("API", "completions");
    let (path, key) = match api.as_str() {
        "responses" => ("responses", ("authorization", "Bearer test")),
        "messages" => ("messages", ("x-api-key", "test")),
        "gemini" if work.streamed => {
            ("models/gemini-2.5-flash:streamGenerateContent?alt=sse", ("x-goog-api-key", "test"))
        }
        "gemini" => ("models/gemini-2.5-flash:generateContent", ("x-goog-api-key", "test")),
        _ => ("chat/completions", ("authorization", "Bearer test")),
    };
    let url = format!("{}/{path}", work.url);
    let mut http = Http { client: reqwest::Client::new(), url, key, pieces: None };
    if work.idle > 0 {
        return idle(http, work).await;
    }
    for _ in 0..work.turns {
        if work.fresh {
            http.client = reqwest::Client::new();
        }
        turn(&api, &mut http, &work).await;
    }
}

async fn turn(api: &str, http: &mut Http, work: &Work) {
    let answer = match api {
        "responses" => responses::turn(http, work).await,
        "messages" => messages::turn(http, work).await,
        "gemini" => gemini::turn(http, work).await,
        _ => completions::turn(http, work).await,
    };
    std::hint::black_box(answer);
}

/// Holds idle streams of Chat Completions open.
async fn idle(http: Http, work: Work) {
    let work = Arc::new(work);
    hold_idle(work.idle, |pieces| {
        let (client, url) = (http.client.clone(), http.url.clone());
        let mut http = Http { client, url, key: http.key, pieces: Some(pieces) };
        let work = Arc::clone(&work);
        tokio::spawn(async move { completions::turn(&mut http, &work).await });
    })
    .await
}
