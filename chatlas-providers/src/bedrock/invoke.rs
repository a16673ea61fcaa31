//! Claude in its own words: the Messages API within `InvokeModel`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::{ChatRequest, CompletionEvent, ProviderError};
use serde_json::{Map, Value};

use super::PROVIDER;
use super::frames::{Decode, truncated};
use crate::anthropic::reply::Decoder;
use crate::anthropic::request::{self, Options, Place};
use crate::http::malformed;

/// The version of the Messages API on Bedrock.
const VERSION: &str = "bedrock-2023-05-31";
const PLACE: Place = Place {
    provider: PROVIDER,
    name: "Claude on Bedrock",
    // A schema is asked for by a tool, which all of its models take.
    output_format: false,
};

/// The body of a request; which model and whether it streams is in the address.
pub(super) fn body(
    options: &Options,
    request: &ChatRequest,
) -> Result<Map<String, Value>, ProviderError> {
    let mut body = request::body(PLACE, options, request)?;
    body.entry("anthropic_version").or_insert_with(|| VERSION.into());
    if !options.betas.is_empty() {
        body.entry("anthropic_beta").or_insert_with(|| options.betas.clone().into());
    }
    Ok(body)
}

/// The events of the Messages API, each within a `chunk`.
pub(super) struct Chunks(Decoder);

impl Default for Chunks {
    fn default() -> Self {
        Self(Decoder::new(PROVIDER))
    }
}

impl Decode for Chunks {
    fn event(
        &mut self,
        kind: &str,
        payload: &Value,
    ) -> Result<Vec<CompletionEvent>, ProviderError> {
        if kind != "chunk" {
            return Ok(Vec::new());
        }
        let Some(bytes) = payload["bytes"].as_str() else {
            // Gateways hand on the event without what AWS wraps it in.
            if payload["type"].is_string() {
                return self.0.value(payload);
            }
            return Err(malformed("a chunk has no `bytes`"));
        };
        let event = STANDARD.decode(bytes).map_err(|_| malformed("a chunk is no base64"))?;
        let event: Value = serde_json::from_slice(&event)
            .map_err(|error| malformed(&format!("a chunk is no JSON ({error})")))?;
        self.0.value(&event)
    }

    fn is_over(&self) -> bool {
        crate::http::Decode::is_over(&self.0)
    }

    fn end(&mut self) -> Result<Vec<CompletionEvent>, ProviderError> {
        Err(truncated())
    }
}
