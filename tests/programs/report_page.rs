//! How the page of the HTML report behaves: its address, its keys, the width of a phone, and many
//! spans.

use opentelemetry::Context;
use serde_json::json;

use crate::html_report::report;
use crate::report_views::{Call, agent, look};
use crate::support::browser::{browse, chromium, picture};

#[test]
fn the_address_follows_the_chosen_trace_and_tab() {
    if chromium().is_none() {
        return;
    }
    let page = report("address", |maker| {
        maker.assistant(0, "First", 1, None);
        maker.assistant(60_000, "Second", 1, None);
    });
    let choose = "document.querySelectorAll('#list .row')[1].click();
        document.querySelectorAll('#waterfall .row')[3].click();
        const trace = location.hash;
        document.querySelector('[data-tab=tools]').click();
        return [trace, location.hash, all('#title')]";
    let seen = look(&page, "", choose);
    assert_eq!((&seen[1], &seen[2]), (&json!("#tools"), &json!(["First"])));
    let address = seen[0].as_str().unwrap();
    assert_eq!(address.split('/').map(str::len).collect::<Vec<_>>(), [7, 32, 16, 10], "{address}");
    let state =
        "return [all('#title'), all('#waterfall .row.chosen .name'), all('.pages [aria-current]')]";
    let expected = json!([["First"], ["execute_tool get_weather"], ["Attributes"]]);
    assert_eq!(look(&page, address, state), expected);
    // The addresses of earlier reports, and invalid ones.
    let earlier = format!("#trace-{}", address.split('/').nth(1).unwrap());
    assert_eq!(look(&page, &earlier, "return all('#title')"), json!(["First"]));
    for invalid in ["#traces/0/0/x", "#constructor", "#/////", "#%00"] {
        assert_eq!(look(&page, invalid, "return all('#title')"), json!(["Second"]), "{invalid}");
    }
    std::fs::remove_file(page).unwrap();
}

#[test]
fn the_report_is_operated_by_keys_and_each_control_has_a_name() {
    if chromium().is_none() {
        return;
    }
    let page = report("keys", |maker| {
        maker.assistant(0, "First", 2, None);
        maker.assistant(60_000, "Second", 2, None);
    });
    let seen = look(
        &page,
        "",
        "const span = () => all('#waterfall .row.chosen .name')[0];
         const seen = [];
         key('j'); seen.push(all('#title')[0]);
         key('k'); seen.push(all('#title')[0]);
         key('ArrowDown'); seen.push(span());
         key('ArrowLeft'); seen.push(span());
         key('ArrowRight'); key('ArrowUp'); seen.push(span());
         key('ArrowDown', $('list')); seen.push(all('#title')[0]);
         key('2'); seen.push(location.hash);
         key('/'); seen.push(document.activeElement.id, location.hash.slice(0, 7));
         key('j', $('filter')); seen.push(all('#title')[0]);
         key('Escape', $('filter')); key('?'); seen.push($('help').open);
         return seen;",
    );
    let expected = json!([
        "First",
        "Second",
        "chat gpt-4o",
        "chat gpt-4o (+1)",
        "invoke_agent travel_assistant",
        "First",
        "#models",
        "filter",
        "#traces",
        "First",
        true,
    ]);
    assert_eq!(seen, expected);
    let unnamed = look(
        &page,
        "",
        "select('group', 'user');
         const named = (item) => item.getAttribute('aria-label') || item.textContent.trim();
         const controls = [...document.querySelectorAll('button, input, select, [tabindex], [role=tree], [role=listbox], [role=region]')];
         const inside = [...document.body.children].filter((item) => !['HEADER', 'MAIN', 'DIALOG', 'SCRIPT', 'NOSCRIPT'].includes(item.tagName));
         return [controls.filter((item) => !named(item)).map((item) => item.outerHTML), inside.map((item) => item.outerHTML), errors];",
    );
    assert_eq!(unnamed, json!([[], [], []]));
    std::fs::remove_file(page).unwrap();
}

#[test]
fn the_report_fits_a_phone() {
    if chromium().is_none() {
        return;
    }
    let long = "Unbreakable".repeat(40);
    let page = report("phone", |maker| {
        maker.assistant(0, &long, 2, Some("timeout"));
        agent(
            maker,
            &Call { model: "gpt-4o", attributes: &[("user.id", &long)], ..Call::default() },
        );
    });
    // A frame has exactly this width; a window may have a minimum.
    let frame = page.with_extension("frame.html");
    let source = page.file_name().unwrap().to_str().unwrap();
    let steps = "document.querySelector('#list .row').click(); add();
        d.querySelectorAll('.pages button')[1]?.click(); add();
        for (const tab of ['models', 'tools', 'errors', 'feedback', 'traces']) { d.querySelector(`[data-tab=${tab}]`).click(); add(); }";
    let steps = steps.replace("document.", "d.");
    std::fs::write(
        &frame,
        format!(
            "<body><iframe width=390 height=844 src={source:?}></iframe><script>onload = () => {{
             const d = frames[0].document; const seen = []; const add = () => seen.push(d.documentElement.scrollWidth);
             add(); {steps} document.title = seen.join(); }}</script>"
        ),
    )
    .unwrap();
    let shown = browse(
        &format!("file://{}", frame.display()),
        &["--dump-dom", "--allow-file-access-from-files"],
    );
    let title = shown.split("<title>").nth(1).unwrap().split('<').next().unwrap();
    assert!(
        title.split(',').count() > 7 && title.split(',').all(|width| width == "390"),
        "{title}"
    );
    std::fs::remove_file(frame).unwrap();
    std::fs::remove_file(page).unwrap();
}

#[test]
fn a_hundred_thousand_spans_stay_usable() {
    if chromium().is_none() {
        return;
    }
    let page = report("huge", |maker| {
        // One trace with 40,000 spans, and many small ones.
        let root = maker.span(&Context::new(), "batch".into(), (0, 90_000), vec![], None);
        for n in 0..40_000 {
            maker.span(&root, format!("step {n}"), (n, n + 5), vec![], None);
        }
        for n in 0..60_000 {
            maker.span(&Context::new(), format!("job {n}"), (n, n + 5), vec![], None);
        }
    });
    let seen = look(
        &page,
        "",
        "const begin = performance.now();
         const found = search('\"job 5999\"').length;
         search('batch'); document.querySelector('#list .row').click();
         key('ArrowDown'); search(''); select('group', 'status');
         return [found, performance.now() - begin, document.querySelectorAll('*').length];",
    );
    assert_eq!(seen[0], 11, "the trace 5999, and the ten that start with these digits");
    assert!(seen[1].as_f64().unwrap() < 5_000.0, "{seen:#}");
    assert!(seen[2].as_u64().unwrap() < 1_500, "only visible rows are in the document: {seen:#}");
    println!("100,001 spans, {} bytes: {seen}", std::fs::metadata(&page).unwrap().len());
    picture(&page, "?theme=light", "huge-light.png");
    std::fs::remove_file(page).unwrap();
}
