//! Where a reply comes from, as Google tells it beside the content: searches, pages, citations.

use chatlas_core::content::{Citation, Content, Replay, ServerTool};
use serde_json::{Map, Value, json};

const GROUNDING: &str = "groundingMetadata";
const PAGES: &str = "urlContextMetadata";
const CITATIONS: &str = "citationMetadata";

/// The fields of a candidate that tell of it.
const TOLD_BESIDE: [&str; 3] = [GROUNDING, PAGES, CITATIONS];
/// The names that the two products have for a list of citations.
const LISTS: [&str; 2] = ["citationSources", "citations"];

/// Notes what a candidate tells beside its content. Each chunk cites for its own words; of the rest,
/// the last one knows all.
pub(super) fn note(beside: &mut Map<String, Value>, candidate: &Value) {
    for key in TOLD_BESIDE {
        let Some(told) = candidate[key].as_object().filter(|told| !told.is_empty()) else {
            continue;
        };
        let mut told = told.clone();
        if let Some(known) = beside.get(key).filter(|_| key == CITATIONS) {
            for list in LISTS {
                let mut all: Vec<Value> = known[list].as_array().cloned().unwrap_or_default();
                let more = told.get(list).and_then(Value::as_array).into_iter().flatten();
                let more: Vec<Value> = more.filter(|s| !all.contains(s)).cloned().collect();
                all.extend(more);
                told.insert(list.to_owned(), all.into());
            }
        }
        beside.insert(key.to_owned(), told.into());
    }
}

/// The searches and fetches, and then the sources.
pub(super) fn contents(provider: &str, mut beside: Map<String, Value>) -> Vec<Content> {
    let mut contents = Vec::new();
    let mut sources = Vec::new();
    let mut tool = |name: &str, key: &str, told: Value| {
        let replay = Replay { provider: provider.to_owned(), item: json!({key: told}) };
        contents.push(Content::ServerTool(ServerTool { id: None, name: name.to_owned(), replay }));
    };
    if let Some(told) = beside.remove(GROUNDING) {
        sources.extend(grounds(&told));
        if told["webSearchQueries"].as_array().is_some_and(|queries| !queries.is_empty()) {
            tool("web_search", GROUNDING, told);
        }
    }
    if let Some(told) = beside.remove(PAGES) {
        tool("web_fetch", PAGES, told);
    }
    if let Some(told) = beside.remove(CITATIONS) {
        let cited = LISTS.into_iter().filter_map(|list| told[list].as_array()).flatten();
        sources.extend(cited.map(|source| Citation {
            url: source["uri"].as_str().map(str::to_owned),
            title: source["title"].as_str().map(str::to_owned),
            quote: None,
        }));
    }
    contents.extend(sources.into_iter().map(Content::Citation));
    contents
}

/// Whether that content is one of those: a record, which Google does not take back.
pub(super) fn is_told_beside(content: &Content) -> bool {
    match content {
        Content::ServerTool(tool) => {
            TOLD_BESIDE.iter().any(|key| !tool.replay.item[*key].is_null())
        }
        _ => false,
    }
}

/// Each source with the words of the answer that it supports; those that support none at the end.
fn grounds(told: &Value) -> Vec<Citation> {
    let chunks = told["groundingChunks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let supports = told["groundingSupports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut used = vec![false; chunks.len()];
    let mut citations = Vec::new();
    for support in supports {
        let quote = support["segment"]["text"].as_str();
        let indices = support["groundingChunkIndices"].as_array().map(Vec::as_slice);
        for index in indices.unwrap_or_default() {
            let Some(index) = index.as_u64().and_then(|n| usize::try_from(n).ok()) else {
                continue;
            };
            let (Some(chunk), Some(used)) = (chunks.get(index), used.get_mut(index)) else {
                continue;
            };
            *used = true;
            citations.extend(citation(chunk, quote));
        }
    }
    let unused = chunks.iter().zip(&used).filter(|(_, used)| !**used);
    citations.extend(unused.filter_map(|(chunk, _)| citation(chunk, None)));
    citations
}

/// A source: from the web, from a store of documents, from a map.
fn citation(chunk: &Value, quote: Option<&str>) -> Option<Citation> {
    let source = chunk.as_object()?.values().find(|source| source.is_object())?;
    let string = |key: &str| source[key].as_str().map(str::to_owned);
    Some(Citation { url: string("uri"), title: string("title"), quote: quote.map(str::to_owned) })
}
