//! An HTTP client without a network: each response body arrives in given pieces.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::HttpOptions;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::cassettes::Interaction;

/// Returns options whose client sends the recorded response, split at these positions.
pub fn split_at(interaction: &Interaction, positions: &[usize]) -> HttpOptions {
    let mut pieces: Vec<Vec<u8>> = Vec::with_capacity(positions.len() + 1);
    let mut begin = 0;
    for position in positions.iter().copied().chain([interaction.body.len()]) {
        pieces.push(interaction.body[begin..position].to_vec());
        begin = position;
    }
    let (status, kind) = (interaction.status, interaction.content_type.clone());
    HttpOptions::default().with_sender(move |_| {
        let frames = pieces
            .clone()
            .into_iter()
            .map(|piece| Ok::<_, std::io::Error>(Frame::data(hyper::body::Bytes::from(piece))));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let response = http::Response::builder()
            .status(status)
            .header("content-type", &kind)
            .body(reqwest::Body::wrap(body))
            .expect("a response");
        std::future::ready(Ok::<_, std::io::Error>(response.into()))
    })
}

/// Returns every position within the response body.
pub fn every_position(interaction: &Interaction) -> Vec<usize> {
    (1..interaction.body.len()).collect()
}
