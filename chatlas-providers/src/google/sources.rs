//! The sources of a reply, which Google reports beside the content: searches, pages, citations.

use chatlas_core::content::{Citation, Content, Replay, ServerTool};
use serde_json::{Map, Value, json};

use super::wire::Candidate;
use crate::client::json;

/// The lists of citations: each of the two products has its own name.
const LISTS: [&str; 2] = ["citationSources", "citations"];

/// The sources of a candidate.
#[derive(Default)]
pub(super) struct Sources {
    grounding: Option<Value>,
    pages: Option<Value>,
    citations: Vec<Value>,
}

impl Sources {
    /// Adds the sources of a chunk. Each chunk has the citations of its own text; of the other
    /// fields, the last one is complete.
    pub(super) fn update(&mut self, candidate: &Candidate<'_>) {
        let object = |raw| Some(json::value(raw)).filter(|value| !is_empty(value));
        self.grounding = object(candidate.grounding_metadata).or(self.grounding.take());
        self.pages = object(candidate.url_context_metadata).or(self.pages.take());
        let cited = json::value(candidate.citation_metadata);
        let before = self.citations.len();
        for source in LISTS.into_iter().flat_map(|list| elements(&cited, list)) {
            if !self.citations.iter().take(before).any(|known| known == source) {
                self.citations.push(source.clone());
            }
        }
    }

    /// Returns the searches and fetches, then the citations.
    pub(super) fn into_contents(self, vendor: &str) -> Vec<Content> {
        let mut contents = Vec::new();
        let mut citations = Vec::new();
        let mut add_tool = |name: &str, item: Value| {
            contents.push(Content::ServerTool(ServerTool::new(name, Replay::new(vendor, item))));
        };
        if let Some(grounding) = self.grounding {
            citations.extend(grounding_citations(&grounding));
            if !elements(&grounding, "webSearchQueries").is_empty() {
                add_tool("web_search", json!({"groundingMetadata": grounding}));
            }
        }
        if let Some(pages) = self.pages {
            add_tool("web_fetch", json!({"urlContextMetadata": pages}));
        }
        let cited = self.citations.iter().filter_map(Value::as_object);
        citations.extend(cited.map(|source| citation(source, None)));
        contents.extend(citations.into_iter().map(Content::Citation));
        contents
    }
}

/// Returns whether a value has no fields.
fn is_empty(value: &Value) -> bool {
    value.as_object().is_none_or(Map::is_empty)
}

fn elements<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns each source with the passage of the answer that it supports. The sources that support no
/// passage are at the end.
fn grounding_citations(grounding: &Value) -> Vec<Citation> {
    let chunks = elements(grounding, "groundingChunks");
    let mut used = vec![false; chunks.len()];
    let mut citations = Vec::new();
    for support in elements(grounding, "groundingSupports") {
        let quote = support.pointer("/segment/text").and_then(Value::as_str);
        for index in elements(support, "groundingChunkIndices") {
            let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
            let Some((index, chunk)) = index.and_then(|index| Some((index, chunks.get(index)?)))
            else {
                continue;
            };
            if let Some(used) = used.get_mut(index) {
                *used = true;
            }
            citations.extend(chunk_citation(chunk, quote));
        }
    }
    let unused = chunks.iter().zip(used).filter(|(_, used)| !used);
    citations.extend(unused.filter_map(|(chunk, _)| chunk_citation(chunk, None)));
    citations
}

/// Returns the citation of a chunk: a page, a document of a store, or a place on a map.
fn chunk_citation(chunk: &Value, quote: Option<&str>) -> Option<Citation> {
    let source = chunk.as_object()?.values().find_map(Value::as_object)?;
    Some(citation(source, quote))
}

fn citation(source: &Map<String, Value>, quote: Option<&str>) -> Citation {
    let string = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut citation = Citation::default();
    citation.url = string("uri");
    citation.title = string("title");
    citation.quote = quote.map(str::to_owned);
    citation
}
