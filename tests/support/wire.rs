//! A wire without a network: it answers each request with bytes that arrive in given pieces.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::HttpOptions;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::cassettes::Interaction;

/// Answers as the recording does, its body in pieces that end at those places.
pub fn in_pieces(interaction: &Interaction, places: &[usize]) -> HttpOptions {
    let mut pieces: Vec<Vec<u8>> = Vec::with_capacity(places.len() + 1);
    let mut begin = 0;
    for place in places.iter().copied().chain([interaction.body.len()]) {
        pieces.push(interaction.body[begin..place].to_vec());
        begin = place;
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

/// Every place within a body.
pub fn every_place(interaction: &Interaction) -> Vec<usize> {
    (1..interaction.body.len()).collect()
}
