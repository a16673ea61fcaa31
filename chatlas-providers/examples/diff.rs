//! Temporary.
use chatlas_core::content::*;
use chatlas_core::*;
use serde_json::{json, Value};
use std::sync::Arc;

struct R(u64);
impl R {
    fn n(&mut self, n: u64) -> u64 { self.0 ^= self.0 << 13; self.0 ^= self.0 >> 7; self.0 ^= self.0 << 17; self.0 % n }
    fn of<T: Clone>(&mut self, l: &[T]) -> T { l[self.n(l.len() as u64) as usize].clone() }
}
fn text(r: &mut R) -> String { r.of(&["", " ", "Hello", "Häß\n\"x\"", "\u{1}", "long text here"]).to_owned() }
fn replay(r: &mut R) -> Option<Replay> {
    if r.n(3) == 0 { return None; }
    let provider = r.of(&["openai", "gcp.gemini", "gcp.vertex_ai", "anthropic"]);
    let item = r.of(&[json!({"phase": "commentary", "thoughtSignature": "s"}), json!({"thought": true, "thoughtSignature": "s0", "text": "old"}), json!({"text": "", "thoughtSignature": "s1"}),
        json!({"thoughtSignature": "s2"}), json!({"executableCode": {"code": "1"}, "thoughtSignature": "s3"}), json!({"toolCall": {"id": "x"}}), json!({"groundingMetadata": {}}),
        json!({"type": "reasoning", "encrypted_content": "gA", "id": "rs", "phase": "x"}), json!({"type": "reasoning", "id": "rs", "phase": 3}), json!({"thought": true, "phase": null})]);
    let mut replay = Replay::new(provider, item);
    if provider == "openai" && replay.item.get("phase").is_none() { replay.item["phase"] = "p".into(); }
    Some(replay)
}
fn media(r: &mut R) -> Media {
    let m = match r.n(6) {
        0 => Media::from_url("https://a.example/b/C.PDF?x=1.png"),
        1 => Media::from_url("data:image/png;base64,aGk="),
        2 => Media::from_base64("image/png", "aGk="),
        3 => Media::new(MediaSource::File { id: "files/abc.jpg".into(), mime_type: None }),
        4 => Media::new(MediaSource::File { id: "https://x/abc".into(), mime_type: Some("text/csv".into()) }),
        _ => Media::from_url("https://www.youtube.com/watch?v=9hE5-98ZeCg"),
    };
    if r.n(2) == 0 { m.with_name("n.pdf") } else { m }
}
fn id(r: &mut R) -> String { r.of(&["", "c-1", "invented_call_r_1", "c-2"]).to_owned() }
fn value(r: &mut R) -> Value { r.of(&[json!({"a": 1, "ü": "\n"}), json!(null), json!("raw {"), json!([1]), json!({}), json!(3.5)]) }
fn content(r: &mut R) -> Content {
    match r.n(10) {
        0 | 1 => { let mut t = Text::new(text(r)); t.replay = replay(r); Content::Text(t) }
        2 | 3 => { let mut t = Thinking::new(text(r)); t.replay = replay(r); Content::Thinking(t) }
        4 => { let mut t = ToolRequest::new(id(r), "add", value(r)); t.replay = replay(r); Content::ToolRequest(t) }
        5 => { let outcome = match r.n(4) { 0 => ToolOutcome::Error(text(r)), 1 => ToolOutcome::Contents((0..r.n(4)).map(|_| content(r)).collect()), _ => ToolOutcome::Value(value(r)) };
            Content::ToolResult(ToolResult::new(id(r), "add", outcome)) }
        6 => Content::Refusal(Refusal::new(text(r))),
        7 => if r.n(2) == 0 { Content::Image(media(r)) } else { Content::Document(media(r)) },
        8 => Content::Citation(Citation::from_url("x")),
        _ => { let rp = loop { if let Some(x) = replay(r) { break x } }; Content::ServerTool(ServerTool::new("t", rp)) }
    }
}
fn main() {
    let mut r = R(88172645463325252);
    let mut oks = 0;
    for i in 0..200_000u32 {
        let turns: Vec<Turn> = (0..r.n(5)).map(|_| {
            let contents: Vec<Content> = (0..r.n(6)).map(|_| content(&mut r)).collect();
            if r.n(2) == 0 { Turn::User(UserTurn::new(contents)) } else { let mut t = AssistantTurn::new(contents); t.response_id = Some(r.of(&["r1", "r2"]).to_owned()); Turn::from(t) }
        }).collect();
        let mut q = ChatRequest::new(turns);
        if r.n(2) == 0 { q.system_prompt = Some(text(&mut r).into()); }
        let mut p = ModelParams::default();
        if r.n(3) == 0 { p.temperature = Some(0.5); }
        if r.n(3) == 0 { p.top_p = Some(0.25); }
        if r.n(3) == 0 { p.max_tokens = Some(7); }
        if r.n(9) == 0 { p.top_k = Some(7); p.stop_sequences = vec!["E".into()]; p.seed = Some(-1); p.presence_penalty = Some(0.25); p.frequency_penalty = Some(1.0); }
        if r.n(9) == 0 { p.choice_count = Some(r.n(3) as u32); }
        if r.n(2) == 0 { p.reasoning_level = Some(r.of(&["low", "high", "medium", "minimal", "none", "2048", "-1", "xhigh", "99999999999"]).to_owned()); }
        if r.n(5) == 0 { p.previous_response_id = Some("r1".into()); }
        for key in ["model", "input", "tools", "store", "generationConfig", "toolConfig", "systemInstruction", "contents", "foo", "text"] {
            if r.n(12) == 0 { p.extra.insert(key.into(), r.of(&[json!({"temperature": 9, "role": "x", "b": [1]}), json!(true), json!(null), json!({"includeServerSideToolInvocations": false})])); }
        }
        q.params = Arc::new(p);
        let schemas = [json!({"type": "object", "properties": {}}), json!({"type": "object", "additionalProperties": false, "properties": {}, "required": []}), json!({"type": "object", "properties": {"a": {"type": "integer"}}}), json!({"type": "object", "properties": {"a": {"const": 1}}})];
        q.tools = (0..r.n(3)).map(|_| { let mut t = ToolDefinition::new("add", "Adds.", r.of(&schemas)); t.strict = r.of(&[None, Some(true), Some(false)]); t }).collect();
        if r.n(3) == 0 { q.output = Some(Arc::new(OutputSchema::new("n", r.of(&schemas)).with_strict(r.n(2) == 0))); }
        let bits = r.n(16) as u32;
        let model = r.of(&["gemini-2.5-flash", "gemini-3-pro", "tunedModels/x", "gpt-4o", "gpt-5.4", "o4-mini"]);
        for (name, res) in [("google", chatlas_providers::google::diff::diff(&q, model, bits)), ("openai", chatlas_providers::openai::diff::diff(&q, model, bits))] {
            match res { Ok(()) => oks += 1, Err(e) => { println!("{i} {name} {model}\n{e}"); return; } }
        }
    }
    println!("{oks} equal");
}
