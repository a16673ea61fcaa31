//! A deterministic embedding model without a network: each word counts in one of 256 dimensions.

use chatlas::prelude::*;
use chatlas::provider;
use chatlas::{Completion, EmbeddingRequest, Embeddings, ProviderErrorKind, ProviderInfo};

const DIMENSIONS: usize = 256;

pub(crate) struct WordCounts {
    info: ProviderInfo,
}

impl WordCounts {
    pub(crate) fn new() -> Self {
        Self { info: ProviderInfo::new("example").with_model("word-counts") }
    }
}

#[provider]
impl Provider for WordCounts {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        let message = "`word-counts` is an embedding model: use `embed`";
        Err(ProviderError::new(ProviderErrorKind::Unsupported, message))
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        Ok(Embeddings::new(request.inputs.iter().map(|text| vector(text))))
    }
}

fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSIONS];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3) {
        // FNV-1a, which is the same on all machines.
        let hash = word.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        vector[usize::from(hash.to_be_bytes()[7]) % DIMENSIONS] += 1.0;
    }
    vector
}
