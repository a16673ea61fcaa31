#![allow(missing_docs, clippy::all, clippy::pedantic)]
use super::*;
pub fn diff(request: &chatlas_core::ChatRequest, model: &str, bits: u32) -> Result<(), String> {
    let ws = (bits & 1 != 0).then(|| chatlas_core::WebSearch::new().max_uses(2));
    let ws = if bits & 2 != 0 { ws.map(|w| w.allowed_domains(["a.b"])) } else { ws };
    let st = (bits & 4 != 0).then(|| "flex".to_owned());
    let old = old_request::Extras { web_search: ws.clone(), service_tier: st.clone(), logprobs: bits & 8 != 0 };
    let new = request::Settings { web_search: ws, service_tier: st, logprobs: bits & 8 != 0 };
    let list = request::tools(&request.tools, &new);
    let tools = (!list.is_empty()).then(|| serde_json::value::to_raw_value(&list).unwrap());
    let prompt = request::Prompt { model, vendor: "openai", settings: &new, request, tools: tools.as_deref() };
    let asked = old_request::Asked { model, vendor: "openai", extras: &old, request };
    let v = |s: &[u8]| -> serde_json::Value { serde_json::from_slice(s).unwrap() };
    match (asked.body(true), request::check(&request.params, &new)) {
        (Err(a), Err(b)) if a == b => {}
        (Ok(a), Ok(())) => {
            let b = serde_json::to_vec(&request::Body { prompt, stream: true }).unwrap();
            if v(&a) != v(&b) { return Err(format!("OLD {}\nNEW {}", v(&a), v(&b))); }
        }
        (a, b) => return Err(format!("{a:?} {b:?}")),
    }
    let (a, b) = (asked.count_body().unwrap(), serde_json::to_vec(&prompt).unwrap());
    if v(&a) != v(&b) { return Err(format!("COUNT OLD {}\nNEW {}", v(&a), v(&b))); }
    Ok(())
}
