//! What the HTML report shows to people who look for something: titles, search, groups, unknown
//! values, failures, feedback, Markdown, any operation.

use std::path::Path;

use chatlas::telemetry::ReplyId;
use opentelemetry::trace::{
    Link, SpanContext, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use serde_json::{Value, json};

use crate::html_report::{TraceBuilder, report};
use crate::support::browser::{chromium, dom, evaluate};

/// Functions for the scripts of the tests.
const HELPERS: &str = "
    const $ = (id) => document.getElementById(id);
    const all = (selector) => [...document.querySelectorAll(selector)].map((item) => item.textContent);
    const search = (query) => { $('filter').value = query; $('filter').oninput(); return all('#list .name'); };
    const select = (id, value) => { $(id).value = value; $(id).onchange(); };
    const key = (name, target = document.body) => target.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
    const errors = [];
    window.addEventListener('error', (event) => errors.push(event.message));
";

pub(crate) fn look(page: &Path, fragment: &str, script: &str) -> Value {
    evaluate(page, fragment, &format!("{HELPERS}{script}"))
}

fn pairs(pairs: &[(&'static str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned())).collect()
}

fn message(role: &str, text: &str) -> Value {
    json!({"role": role, "parts": [{"type": "text", "content": text}]})
}

/// A model call.
#[derive(Default)]
pub(crate) struct Call<'a> {
    pub(crate) begin: u64,
    pub(crate) model: &'static str,
    pub(crate) attributes: &'a [(&'static str, &'a str)],
    pub(crate) tokens: Option<(i64, i64)>,
    pub(crate) input: Option<Value>,
    pub(crate) output: Option<Value>,
    pub(crate) error: Option<&'static str>,
    pub(crate) cancelled: bool,
}

/// Records an agent with one model call, and returns the context of the call.
pub(crate) fn agent(maker: &TraceBuilder, call: &Call<'_>) -> Context {
    let mut shared = pairs(call.attributes);
    if call.cancelled {
        shared.push(KeyValue::new("chatlas.cancelled", true));
    }
    let end = call.begin + 500;
    let mut attributes = shared.clone();
    attributes.extend(pairs(&[("gen_ai.operation.name", "invoke_agent")]));
    let root = maker.span(
        &Context::new(),
        "invoke_agent concierge".into(),
        (call.begin, end),
        attributes,
        call.error,
    );
    let mut attributes = shared;
    attributes
        .extend(pairs(&[("gen_ai.operation.name", "chat"), ("gen_ai.request.model", call.model)]));
    if let Some((input, output)) = call.tokens {
        attributes.push(KeyValue::new("gen_ai.usage.input_tokens", input));
        attributes.push(KeyValue::new("gen_ai.usage.output_tokens", output));
    }
    for (key, messages) in
        [("gen_ai.input.messages", &call.input), ("gen_ai.output.messages", &call.output)]
    {
        attributes.extend(messages.as_ref().map(|json| KeyValue::new(key, json.to_string())));
    }
    let name = format!("chat {}", call.model);
    maker.span(&root, name, (call.begin, end), attributes, call.error)
}

#[test]
fn a_trace_has_its_question_as_title_or_its_agent_user_and_time() {
    if chromium().is_none() {
        return;
    }
    let page = report("titles", |maker| {
        let input = json!([
            message("user", "Earlier question"),
            message("assistant", "Earlier answer"),
            message("user", "Which gate\ndoes NH 106 leave from?"),
        ]);
        let call = Call { model: "gpt-4o", input: Some(input), ..Call::default() };
        agent(maker, &call);
        let attributes = &[("user.id", "ada"), ("gen_ai.agent.name", "concierge")];
        agent(maker, &Call { begin: 60_000, model: "gpt-4o", attributes, ..Call::default() });
    });
    let titles = look(&page, "", "return all('#list .name')");
    assert_eq!(titles[1], "Which gate does NH 106 leave from?");
    let other = titles[0].as_str().unwrap();
    assert!(other.starts_with("concierge · ada · ") && other.contains(':'), "{other}");
    std::fs::remove_file(page).unwrap();
}

#[test]
fn traces_are_found_and_grouped_by_user_session_conversation_agent_model_and_error() {
    if chromium().is_none() {
        return;
    }
    let page = report("search", |maker| {
        for (n, (user, error)) in
            [("ada", None), ("grace", Some("timeout")), ("ada", None)].into_iter().enumerate()
        {
            let question = format!("Question {n}");
            let input = json!([message("user", &question)]);
            let output = json!([message("assistant", &format!("Answer \"{n}\" about Zürich"))]);
            let (session, conversation) = (format!("session-{n}"), format!("conv-{n}"));
            let attributes = &[
                ("user.id", user),
                ("session.id", session.as_str()),
                ("gen_ai.conversation.id", conversation.as_str()),
                ("gen_ai.agent.name", if n == 0 { "planner" } else { "concierge" }),
            ];
            agent(
                maker,
                &Call {
                    begin: n as u64 * 1_000,
                    model: if n == 2 { "llama" } else { "gpt-4o" },
                    attributes,
                    input: Some(input),
                    output: Some(output),
                    error,
                    ..Call::default()
                },
            );
        }
    });
    let queries = [
        ("grace", json!(["Question 1"])),
        ("user:ada", json!(["Question 2", "Question 0"])),
        ("session-2", json!(["Question 2"])),
        ("conversation:conv-0", json!(["Question 0"])),
        ("question 1", json!(["Question 1"])),
        ("planner", json!(["Question 0"])),
        ("model:llama", json!(["Question 2"])),
        ("error:timeout", json!(["Question 1"])),
        ("status:failed", json!(["Question 1"])),
        (r#"answer "0""#, json!(["Question 0"])),
        ("zürich", json!(["Question 2", "Question 1", "Question 0"])),
        ("user:ada planner", json!(["Question 0"])),
        ("constructor:x", json!([])),
        ("(", json!([])),
    ];
    let groups = [
        ("user", json!(["ada", "grace"])),
        ("session", json!(["session-2", "session-1", "session-0"])),
        // A conversation is named by its first question.
        ("conversation", json!(["Question 2", "Question 1", "Question 0"])),
        ("agent", json!(["concierge", "planner"])),
        ("model", json!(["llama", "gpt-4o"])),
        ("error", json!(["timeout", "—"])),
    ];
    let script = format!(
        "return [{}.map(search), {}.map((group) => {{
             search(''); select('group', group); return all('#list .group .name'); }})]",
        json!(queries.each_ref().map(|(query, _)| query)),
        json!(groups.each_ref().map(|(group, _)| group)),
    );
    let seen = look(&page, "", &script);
    for (index, (query, expected)) in queries.iter().enumerate() {
        assert_eq!(&seen[0][index], expected, "{query}");
    }
    for (index, (group, expected)) in groups.iter().enumerate() {
        assert_eq!(&seen[1][index], expected, "{group}");
    }
    std::fs::remove_file(page).unwrap();
}

#[test]
fn unknown_tokens_and_costs_are_dashes_and_totals_state_what_they_leave_out() {
    if chromium().is_none() {
        return;
    }
    let page = report("unknown", |maker| {
        agent(maker, &Call { model: "gpt-4o", tokens: Some((76, 15)), ..Call::default() });
        let tokens = Some((10, 5));
        agent(maker, &Call { begin: 1_000, model: "llama", tokens, ..Call::default() });
        let error = Some("429");
        agent(maker, &Call { begin: 2_000, model: "gpt-4o", error, ..Call::default() });
        let cancelled = true;
        agent(maker, &Call { begin: 3_000, model: "gpt-4o", cancelled, ..Call::default() });
    });
    let seen = look(
        &page,
        "",
        "const rows = {};
         const names = ['cancelled', 'failed', 'unpriced', 'priced'];
         names.forEach((name, index) => {
             document.querySelectorAll('#list .row')[index].click();
             rows[name] = [all('#list .row')[index], all('#waterfall .row').join('|'), $('facts').textContent, $('status').textContent,
                 document.querySelectorAll('#waterfall .block.bad, #waterfall .block.cancelled').length];
         });
         rows.totals = all('#totals > div');
         rows.models = all('#models tr');
         return rows;",
    );
    let text = |name: &str| seen[name].to_string();
    for name in ["cancelled", "failed"] {
        assert!(text(name).contains("— tokens") && text(name).contains("— cost"), "{seen:#}");
        assert!(!text(name).contains("0 in") && !text(name).contains("$0"), "{seen:#}");
        assert_eq!(seen[name][4], 2, "both bars are marked: {seen:#}");
        assert!(seen[name][2].as_str().unwrap().contains("1 call without usage"), "{seen:#}");
    }
    for part in 0..2 {
        let shown = |name: &str| seen[name][part].as_str().unwrap().to_owned();
        assert!(shown("cancelled").contains("⊘ cancelled"), "{seen:#}");
        assert!(shown("failed").contains(if part == 0 { "✗ 1 error" } else { "✗ 429" }));
    }
    assert_eq!(
        (&seen["cancelled"][3], &seen["failed"][3]),
        (&json!("⊘ cancelled"), &json!("✗ failed"))
    );
    assert!(text("unpriced").contains("10 in → 5 out") && text("unpriced").contains("— cost"));
    assert!(text("unpriced").contains("1 call without a price"), "{seen:#}");
    assert!(
        text("priced").contains("$0.000340") && !text("priced").contains("without"),
        "{seen:#}"
    );
    let totals = text("totals");
    assert!(totals.contains("Cost$0.0003401 call without a price"), "{totals}");
    assert!(totals.contains("Input tokens862 calls without usage"), "{totals}");
    assert!(totals.contains("Errors11 cancelled"), "{totals}");
    let models = text("models");
    assert!(models.contains("—1 call without a price"), "{models}");
    assert!(models.contains("$0.0003402 calls without usage"), "{models}");
    std::fs::remove_file(page).unwrap();
}

#[test]
fn one_failed_call_is_one_error() {
    if chromium().is_none() {
        return;
    }
    let http = |maker: &TraceBuilder, call: &Context, begin: u64, error| {
        let attributes = pairs(&[("http.request.method", "POST")]);
        maker.span(call, "POST".into(), (begin, begin + 9), attributes, error)
    };
    let page = report("failures", |maker| {
        // A call that fails after three attempts, and ends its agent.
        let error = Some("429");
        let call = agent(maker, &Call { model: "gpt-4o", error, ..Call::default() });
        for n in 0..3 {
            http(maker, &call, n * 10, error);
        }
        // An attempt that is retried with success.
        let call = agent(maker, &Call { begin: 1_000, model: "gpt-4o", ..Call::default() });
        http(maker, &call, 1_000, error);
        http(maker, &call, 1_010, None);
        // A tool that fails because of its own request, in a run that goes on.
        let root = maker.span(&Context::new(), "run".into(), (2_000, 2_500), vec![], None);
        let tool = pairs(&[("gen_ai.operation.name", "execute_tool"), ("gen_ai.tool.name", "t")]);
        let tool = maker.span(&root, "execute_tool t".into(), (2_000, 2_100), tool, Some("Io"));
        http(maker, &tool, 2_010, Some("500"));
        // An agent that fails for a reason of its own, after a failed tool.
        let attributes = pairs(&[("gen_ai.operation.name", "invoke_agent")]);
        let limit = Some("too_many_rounds");
        let root =
            maker.span(&Context::new(), "invoke_agent".into(), (3_000, 3_500), attributes, limit);
        let tool = pairs(&[("gen_ai.operation.name", "execute_tool"), ("gen_ai.tool.name", "t")]);
        maker.span(&root, "execute_tool t".into(), (3_000, 3_100), tool, Some("Io"));
    });
    let script = "return [all('#list .sub').map((text) => /(\\d+) error/.exec(text)?.[1] ?? 0), all('#totals .bad dd')]";
    // The newest trace is the first.
    assert_eq!(look(&page, "", script), json!([["2", "1", 0, "1"], ["4"]]));
    std::fs::remove_file(page).unwrap();
}

#[test]
fn tool_calls_are_shown_with_their_results() {
    if chromium().is_none() {
        return;
    }
    let page = report("tools", |maker| {
        let calls = |id: &str, city: &str| json!({"type": "tool_call", "id": id, "name": "get_weather", "arguments": {"city": city}});
        let result = |id: &str, text: &str| json!({"type": "tool_call_response", "id": id, "response": text});
        let input = json!([
            message("user", "Compare"),
            {"role": "assistant", "parts": [calls("a", "Lima"), calls("b", "Oslo")]},
            {"role": "tool", "parts": [result("b", "snow"), result("a", "sun")]},
            {"role": "tool", "parts": [result("lost", "no call")]},
        ]);
        let output = Some(json!([message("assistant", "Lima.")]));
        agent(maker, &Call { model: "gpt-4o", input: Some(input), output, ..Call::default() });
    });
    let seen = look(&page, "", "return [all('.tool-call'), all('.message.tool')]");
    let calls = seen[0].as_array().unwrap();
    assert_eq!(calls.len(), 2, "{seen:#}");
    for (call, parts) in calls.iter().zip([["Lima", "← sun"], ["Oslo", "← snow"]]) {
        let call = call.as_str().unwrap();
        assert!(call.starts_with("→ get_weather({"), "{call}");
        assert!(parts.iter().all(|part| call.contains(part)), "{call}");
    }
    assert_eq!(seen[1], json!(["Tool← no call"]), "a result without its call is shown, too");
    std::fs::remove_file(page).unwrap();
}

#[test]
fn markdown_is_formatted_and_runs_nothing() {
    if chromium().is_none() {
        return;
    }
    let text = "# Plan\n\n1. **bold** and `code`\n   - nested *em*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n\
        ```html\n<script>document.title='broken'</script>\n```\n\n\
        [web](https://example.com/a?b=1) [bad](javascript:document.title='broken') \
        [worse](JaVaScRiPt:alert(1)) [data](data:text/html,x) [spaced]( javascript:alert(1)) \
        ![image](https://example.com/x.png) <https://example.org/>\n\n\
        <img src=x onerror=\"document.title='broken'\"> <b>html</b> \u{2028} \u{202e}rtl\n\n> quote\n> more";
    let page = report("markdown", |maker| {
        let input = Some(json!([message("user", text)]));
        agent(maker, &Call { model: "gpt-4o", input, ..Call::default() });
        // Texts that slow renderers take quadratic time for.
        let nasty =
            ["*".repeat(40_000), "[".repeat(40_000), "`".repeat(40_001), "> ".repeat(9_000)];
        let nasty = nasty.join("\n\n") + &"**a ".repeat(9_000) + &"- ".repeat(9_000);
        let input = Some(json!([message("user", &nasty)]));
        agent(maker, &Call { begin: 9_000, model: "gpt-4o", input, ..Call::default() });
    });
    let seen = look(
        &page,
        "",
        "const before = performance.now();
         document.querySelectorAll('#list .row')[0].click();
         const slow = performance.now() - before;
         document.querySelectorAll('#list .row')[1].click();
         const box = document.querySelector('.message .markdown');
         const of = (selector) => [...box.querySelectorAll(selector)].map((item) => item.textContent);
         return { title: document.title, slow, links: [...box.querySelectorAll('a')].map((a) => [a.href, a.rel, a.target]),
             elements: box.querySelectorAll('img, script, b, iframe, [onerror]').length, text: box.textContent,
             found: [of('.heading'), of('strong'), of('li code'), of('li li em'), of('td'), of('pre code'), of('blockquote')] }",
    );
    assert_eq!(seen["title"], "chatlas traces", "nothing ran");
    assert_eq!(seen["elements"], 0, "{seen:#}");
    let rel = "noopener noreferrer nofollow";
    let expected = json!([
        ["https://example.com/a?b=1", rel, "_blank"],
        ["https://example.com/x.png", rel, "_blank"],
        ["https://example.org/", rel, "_blank"],
    ]);
    assert_eq!(seen["links"], expected, "{seen:#}");
    let code = "<script>document.title='broken'</script>";
    let found = json!([["Plan"], ["bold"], ["code"], ["em"], ["1", "2"], [code], ["quote\nmore"]]);
    assert_eq!(seen["found"], found);
    let shown = seen["text"].as_str().unwrap();
    // Characters that hide or reverse text are shown as escapes.
    for verbatim in
        ["[bad](javascript:document.title='broken')", "<b>html</b> \\u{2028} \\u{202e}rtl"]
    {
        assert!(shown.contains(verbatim), "{verbatim}: {shown}");
    }
    assert!(seen["slow"].as_f64().unwrap() < 2_000.0, "{}", seen["slow"]);
    std::fs::remove_file(page).unwrap();
}

#[test]
fn feedback_is_shown_with_the_trace_that_it_judges() {
    if chromium().is_none() {
        return;
    }
    let judge = |maker: &TraceBuilder, context: &SpanContext, linked: bool, label: &str| {
        let tracer = maker.provider.tracer("test");
        let attributes = pairs(&[
            ("gen_ai.evaluation.name", "thumbs"),
            ("gen_ai.evaluation.score.label", label),
            ("gen_ai.evaluation.explanation", "It named the wrong gate."),
        ]);
        let builder = tracer.span_builder("evaluation").with_attributes(attributes);
        if linked {
            let link = Link::new(context.clone(), vec![], 0);
            builder.with_links(vec![link]).start_with_context(&tracer, &Context::new());
        } else {
            let parent = Context::new().with_remote_span_context(context.clone());
            builder.start_with_context(&tracer, &parent);
        }
    };
    let page = report("feedback", |maker| {
        let call = agent(maker, &Call { model: "gpt-4o", ..Call::default() });
        judge(maker, call.span().span_context(), true, "down");
        let call = agent(maker, &Call { begin: 1_000, model: "gpt-4o", ..Call::default() });
        judge(maker, call.span().span_context(), false, "up");
    });
    let seen = look(
        &page,
        "",
        "const seen = [all('#list .feedback'), all('#list .mark.bad'), search('wrong').length, search('feedback:down').length];
         search('');
         document.querySelectorAll('#list .row')[1].click();
         [...document.querySelectorAll('.pages button')].find((item) => item.textContent === 'Feedback (1)').click();
         return [...seen, all('.comment p'), all('#feedback tr').length];",
    );
    // The linked span is no trace of its own.
    assert_eq!(
        seen,
        json!([["▲ up", "▼ down"], ["▼ down"], 2, 1, ["It named the wrong gate."], 3])
    );
    std::fs::remove_file(page).unwrap();
}

#[test]
fn any_operation_is_shown_with_readable_attributes_and_events() {
    if chromium().is_none() {
        return;
    }
    let page = report("operations", |maker| {
        let root = maker.span(&Context::new(), "GET /ask".into(), (0, 900), vec![], None);
        let documents = json!([{"id": "doc-1", "score": 0.93, "content": "Visa rules"},
            {"id": "doc-2", "score": 0.5, "content": "<b>Entry</b>"}]);
        let attributes = pairs(&[
            ("gen_ai.operation.name", "retrieval"),
            ("gen_ai.retrieval.documents", &documents.to_string()),
            ("__proto__", "x"),
            ("nested", r#"{"a":{"b":[1,2]}}"#),
        ]);
        maker.span(&root, "retrieval handbook".into(), (100, 300), attributes, None);
        // Spans that are each other's parents have no root.
        for (id, parent) in [(1, 2), (2, 1)] {
            let tracer = maker.provider.tracer("test");
            let context = |span: u64| {
                use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};
                let trace = TraceId::from(9);
                let id = SpanId::from(span);
                SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE)
            };
            let parent = Context::new().with_remote_span_context(context(parent));
            let name = format!("cycle {id}");
            drop(tracer.span_builder(name).start_with_context(&tracer, &parent));
        }
    });
    let seen = look(
        &page,
        "",
        "search('retrieval'); document.querySelector('#list .row').click();
         document.querySelectorAll('#waterfall .row')[1].click();
         return [all('.records td'), all('.facts > tr > th'), document.querySelectorAll('#waterfall .dot.data').length, errors];",
    );
    let cells = json!(["Visa rules", "doc-1", "0.93", "<b>Entry</b>", "doc-2", "0.5"]);
    assert_eq!(seen[0], cells, "{seen:#}");
    assert!(seen[1].to_string().contains("__proto__"), "{seen:#}");
    assert_eq!((&seen[2], &seen[3]), (&json!(1), &json!([])));
    std::fs::remove_file(page).unwrap();
}

#[test]
fn feedback_reaches_the_report_once_beside_a_receiver_of_events() {
    if chromium().is_none() {
        return;
    }
    let _turn = crate::html_report::TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let page = crate::support::browser::scratch("events").with_extension("html");
    let file = crate::support::browser::scratch("events").with_extension("jsonl");
    let telemetry =
        chatlas::otel::Telemetry::new().with_html(&page).with_file(&file).install().unwrap();
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    let span = tracer.start("chat gpt-4o");
    let context = opentelemetry::trace::Span::span_context(&span).clone();
    drop(span);
    let reply =
        ReplyId::from_parts(context.trace_id().to_string(), context.span_id().to_string(), "");
    assert!(reply.feedback("thumbs", "up", "Right gate"));
    telemetry.shutdown().unwrap();
    let shown = dom(&page, "");
    assert!(shown.contains("▲ up") && shown.contains("Right gate"), "{shown}");
    let recorded = std::fs::read_to_string(&page).unwrap();
    assert_eq!(recorded.matches("Right gate").count(), 1);
    std::fs::remove_file(page).unwrap();
    std::fs::remove_file(file).unwrap();
}
