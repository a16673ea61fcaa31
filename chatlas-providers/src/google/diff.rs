#![allow(missing_docs, clippy::all, clippy::pedantic)]
use super::*;
use super::gemini::PLATFORM as G;
pub fn diff(request: &chatlas_core::ChatRequest, model: &str, bits: u32) -> Result<(), String> {
    let ws = (bits & 1 != 0).then(|| chatlas_core::WebSearch::new());
    let wf = (bits & 2 != 0).then(|| chatlas_core::WebFetch::new());
    let old = old_request::Extras { web_search: ws.clone(), web_fetch: wf.clone(), code_execution: bits & 4 != 0, thoughts: bits & 8 != 0 };
    let new = request::Settings { web_search: ws, web_fetch: wf, code_execution: bits & 4 != 0, thoughts: bits & 8 != 0 };
    for platform in [&G, &super::vertex::PLATFORM] {
        let o = old_request::body(platform, model, &old, request);
        let list = request::tools(&request.tools, &new);
        let tools = (!list.is_empty()).then(|| serde_json::value::to_raw_value(&list).unwrap());
        let n = request::check(platform, &request.params, &new).map(|()| serde_json::to_string(&request::Body { platform, model, settings: &new, request, tools: tools.as_deref() }).unwrap());
        match (o, n) {
            (Err(a), Err(b)) if a == b => {}
            (Ok(a), Ok(b)) => {
                let v: serde_json::Value = serde_json::from_str(&b).unwrap();
                if v != serde_json::Value::Object(a.clone()) { return Err(format!("OLD {}\nNEW {}", serde_json::Value::Object(a), v)); }
                let c = old_request::count_body(platform, model, a);
                let d: serde_json::Value = serde_json::from_str(&serde_json::to_string(&request::CountBody(request::Body { platform, model, settings: &new, request, tools: tools.as_deref() })).unwrap()).unwrap();
                if d != serde_json::Value::Object(c.clone()) { return Err(format!("COUNT OLD {}\nNEW {}", serde_json::Value::Object(c), d)); }
            }
            (a, b) => return Err(format!("{a:?} {b:?}")),
        }
    }
    Ok(())
}
