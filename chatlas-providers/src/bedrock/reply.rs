//! Reads a reply of Bedrock by the API that sent it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::ProviderError;
use serde::Deserialize;

use super::{BedrockApi, converse, error};
use crate::anthropic;
use crate::client::json::{self, Maybe, Text};
use crate::client::{self, Frame, Reply, ReplyHead, malformed};

/// Reads a reply.
pub struct Decoder {
    /// The id of the request: the response of Converse has no id.
    request_id: Option<String>,
    /// The requested model: the response of Converse does not contain the model.
    model: String,
    api: Api,
}

enum Api {
    /// The events of the Messages API, each inside a chunk.
    InvokeModel {
        decoder: anthropic::reply::Decoder,
        /// The event in the current chunk.
        chunk: Vec<u8>,
    },
    Converse(converse::reply::Decoder),
}

/// A chunk, which contains an event as base64.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Text<'a>,
    #[serde(rename = "type")]
    kind: Text<'a>,
}

impl Decoder {
    pub(super) fn new(api: BedrockApi, head: &ReplyHead<'_>) -> Self {
        let id = super::REQUEST_ID_HEADERS.iter().find_map(|name| head.header(name));
        Self {
            request_id: id.map(str::to_owned),
            model: head.model.to_owned(),
            api: match api {
                BedrockApi::InvokeModel => Api::InvokeModel {
                    decoder: anthropic::reply::Decoder::new(head.vendor.name),
                    chunk: Vec::new(),
                },
                BedrockApi::Converse => {
                    Api::Converse(converse::reply::Decoder::new(head.vendor.name))
                }
            },
        }
    }

    /// Sets the id and the model that the reply does not contain.
    fn identify(&self, reply: &mut Reply) {
        reply.set_id(self.request_id.as_deref().unwrap_or_default());
        reply.set_model(&self.model);
    }
}

impl client::Decoder for Decoder {
    fn complete(&mut self, body: &[u8], reply: &mut Reply) -> Result<(), ProviderError> {
        match &mut self.api {
            Api::InvokeModel { decoder, .. } => decoder.complete(body, reply)?,
            Api::Converse(decoder) => decoder.response(body, reply)?,
        }
        self.identify(reply);
        Ok(())
    }

    fn event(&mut self, frame: Frame<'_>, reply: &mut Reply) -> Result<(), ProviderError> {
        if frame.is_exception {
            return Err(error::exception(frame.kind, frame.data));
        }
        match &mut self.api {
            Api::InvokeModel { decoder, chunk } if frame.kind == "chunk" => {
                unwrap_chunk(frame.data, chunk)?;
                let data = if chunk.is_empty() { frame.data } else { chunk };
                decoder.event(Frame { data, ..frame }, reply)
            }
            Api::InvokeModel { .. } => Ok(()),
            Api::Converse(_) => {
                self.identify(reply);
                let Api::Converse(decoder) = &mut self.api else { return Ok(()) };
                decoder.event(frame, reply)
            }
        }
    }

    fn is_finished(&self) -> bool {
        match &self.api {
            Api::InvokeModel { decoder, .. } => decoder.is_finished(),
            Api::Converse(decoder) => decoder.is_finished(),
        }
    }

    fn end(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        match &mut self.api {
            Api::InvokeModel { decoder, .. } => decoder.end(reply),
            Api::Converse(decoder) => decoder.end_of_stream(reply),
        }
    }
}

/// Decodes the event in a chunk. Gateways may send the event without a chunk: then the result is
/// empty.
fn unwrap_chunk(data: &[u8], event: &mut Vec<u8>) -> Result<(), ProviderError> {
    event.clear();
    let mut repaired = String::new();
    let Maybe(chunk) = json::read::<Maybe<Chunk<'_>>>(data, &mut repaired)?;
    let chunk = chunk.unwrap_or_default();
    match &chunk.bytes.0 {
        Some(bytes) => {
            STANDARD.decode_vec(&**bytes, event).map_err(|_| malformed("a chunk is not base64"))
        }
        None if chunk.kind.0.is_some() => Ok(()),
        None => Err(malformed("a chunk has no `bytes`")),
    }
}
