//! A trace as text: a tree of spans, their bars on one time axis, durations, tokens, errors.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use chatlas_core::telemetry::names;
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) colour: bool,
    /// The columns there are.
    pub(super) width: usize,
}

impl Style {
    /// As wide as `COLUMNS` says, else 100 columns; in colour on a terminal, unless `NO_COLOR` is
    /// set, and anywhere with `CLICOLOR_FORCE`.
    pub(super) fn of(lookup: impl Fn(&str) -> Option<String>, terminal: bool) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let width = set("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(100);
        Self { colour: set("NO_COLOR").is_none() && (terminal || forced), width }
    }
}

/// What is shown of a span.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    id: SpanId,
    parent: SpanId,
    name: String,
    start: SystemTime,
    end: SystemTime,
    tokens: Tokens,
    /// `error.type`, or `error` where there is none.
    error: Option<String>,
}

impl Bar {
    pub(super) fn of(span: &SpanData) -> Self {
        let find = |key: &str| span.attributes.iter().find(|pair| pair.key.as_str() == key);
        let count = |key: &str| match find(key)?.value {
            Value::I64(count) => Some(count),
            _ => None,
        };
        // An agent repeats the sum of its model calls: shown there, they would be counted twice.
        let is_call = find(names::OPERATION_NAME)
            .is_some_and(|pair| pair.value.as_str() == names::operation::CHAT);
        let tokens = if is_call {
            Tokens {
                input: count(names::usage::INPUT_TOKENS),
                output: count(names::usage::OUTPUT_TOKENS),
            }
        } else {
            Tokens::default()
        };
        let failed = matches!(span.status, Status::Error { .. });
        Self {
            id: span.span_context.span_id(),
            parent: span.parent_span_id,
            name: printable(&span.name),
            start: span.start_time,
            end: span.end_time,
            tokens,
            error: failed.then(|| {
                let kind = find(names::ERROR_TYPE);
                kind.map_or_else(|| "error".into(), |pair| printable(&pair.value.as_str()))
            }),
        }
    }

    fn duration(&self) -> Duration {
        self.end.duration_since(self.start).unwrap_or_default()
    }
}

/// The text without what a terminal would obey.
fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(plain).collect()
}

/// The tokens of a model call, or of several.
#[derive(Clone, Copy, Debug, Default)]
struct Tokens {
    input: Option<i64>,
    output: Option<i64>,
}

impl Tokens {
    fn and(self, other: Self) -> Self {
        let sum = |a: Option<i64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self { input: sum(self.input, other.input), output: sum(self.output, other.output) }
    }

    fn said(self) -> Option<String> {
        match (self.input, self.output) {
            (Some(input), Some(output)) => Some(format!("{input} in → {output} out")),
            (Some(input), None) => Some(format!("{input} in")),
            (None, Some(output)) => Some(format!("{output} out")),
            (None, None) => None,
        }
    }
}

/// The narrowest column of names, and the narrowest and widest axis.
const LEAST_LABEL: usize = 12;
const LEAST_AXIS: usize = 12;
const MOST_AXIS: usize = 60;
/// The levels of the tree that are set off from each other. What is deeper stands at the last.
const MOST_LEVELS: usize = 30;

/// The whole picture of a trace.
pub(super) fn draw(trace: &str, bars: &[Bar], style: Style) -> String {
    let rows = in_order(bars);
    let (Some(begin), Some(end)) =
        (bars.iter().map(|bar| bar.start).min(), bars.iter().map(|bar| bar.end).max())
    else {
        return String::new();
    };
    let total = end.duration_since(begin).unwrap_or_default();
    let labels: Vec<String> = rows.iter().map(Row::label).collect();
    let durations: Vec<String> = rows.iter().map(|row| human(row.bar.duration())).collect();
    let notes: Vec<String> = rows.iter().map(|row| note(row.bar)).collect();
    let (label_width, duration_width, note_width) =
        (widest(&labels), widest(&durations), widest(&notes));
    let spare = style.width.saturating_sub(duration_width + note_width + 6);
    let label_width = label_width.min(spare.saturating_sub(LEAST_AXIS).max(LEAST_LABEL));
    let axis = spare.saturating_sub(label_width).clamp(LEAST_AXIS, MOST_AXIS);

    let mut out = header(trace, &rows, total);
    for (((row, label), duration), note) in rows.iter().zip(&labels).zip(&durations).zip(&notes) {
        let label = fit(label, label_width);
        let stretch = stretch(begin, total, row.bar, axis);
        let line = format!("{label}  {stretch}  {duration:>duration_width$}  {note}");
        let _ = match (&row.bar.error, style.colour) {
            (Some(_), true) => writeln!(out, "\u{1b}[31m{}\u{1b}[0m", line.trim_end()),
            _ => writeln!(out, "{}", line.trim_end()),
        };
    }
    out
}

fn widest(texts: &[String]) -> usize {
    texts.iter().map(|text| text.chars().count()).max().unwrap_or_default()
}

/// Which trace it is, how long it took, and what it came to.
fn header(trace: &str, rows: &[Row<'_>], total: Duration) -> String {
    let mut roots = rows.iter().filter(|row| row.branch.is_empty());
    let took = match (roots.next(), roots.next()) {
        (Some(only), None) => only.bar.duration(),
        _ => total,
    };
    let several = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    let errors = rows.iter().filter(|row| row.bar.error.is_some()).count();
    let tokens = rows.iter().fold(Tokens::default(), |sum, row| sum.and(row.bar.tokens));
    let short: String = trace.chars().take(8).collect();
    let facts = [
        Some(format!("trace {short}")),
        Some(human(took)),
        Some(several(rows.len(), "span")),
        tokens.said(),
        (errors > 0).then(|| several(errors, "error")),
    ];
    format!("{}\n", facts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
}

/// A span in its place in the tree.
struct Row<'a> {
    branch: String,
    bar: &'a Bar,
}

impl Row<'_> {
    fn label(&self) -> String {
        format!("{}{}", self.branch, self.bar.name)
    }
}

/// Parents before children, siblings by their start. Who has no parent here is a root.
fn in_order(bars: &[Bar]) -> Vec<Row<'_>> {
    let known: HashSet<SpanId> = bars.iter().map(|bar| bar.id).collect();
    let mut below: HashMap<Option<SpanId>, Vec<&Bar>> = HashMap::new();
    for bar in bars {
        let parent = known.contains(&bar.parent).then_some(bar.parent);
        below.entry(parent).or_default().push(bar);
    }
    for siblings in below.values_mut() {
        siblings.sort_by_key(|bar| (bar.start, bar.end));
    }
    // A stack instead of recursion: a trace may be deep.
    let mut rows = Vec::with_capacity(bars.len());
    let roots = below.remove(&None).unwrap_or_default();
    let mut open: Vec<(&Bar, String, String, usize)> =
        roots.into_iter().rev().map(|bar| (bar, String::new(), String::new(), 0)).collect();
    while let Some((bar, branch, indent, level)) = open.pop() {
        let children = below.remove(&Some(bar.id)).unwrap_or_default();
        for (place, child) in children.into_iter().rev().enumerate() {
            let (fork, rest) =
                if place == 0 { ("└── ", "    ") } else { ("├── ", "│   ") };
            let rest = if level < MOST_LEVELS { rest } else { "" };
            open.push((child, format!("{indent}{fork}"), format!("{indent}{rest}"), level + 1));
        }
        rows.push(Row { branch, bar });
    }
    // Spans that are each other's parents hang on no root. They are no trace, and shown all the same.
    let mut lost: Vec<&Bar> = below.into_values().flatten().collect();
    lost.sort_by_key(|bar| (bar.start, bar.end));
    rows.extend(lost.into_iter().map(|bar| Row { branch: String::new(), bar }));
    rows
}

fn note(bar: &Bar) -> String {
    let error = bar.error.as_ref().map(|kind| format!("✗ {kind}"));
    [bar.tokens.said(), error].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// A text of just that many columns.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Cells filled from the left, by eighths.
const FILLED: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// The bar of a span on an axis of that many columns, to the eighth of a column where there is a
/// sign for it. Something of it is always to be seen.
fn stretch(begin: SystemTime, total: Duration, bar: &Bar, axis: usize) -> String {
    let eighths = |time: SystemTime| {
        let since = time.duration_since(begin).unwrap_or_default().as_nanos();
        let place = since.saturating_mul(axis as u128 * 8).checked_div(total.as_nanos());
        place.and_then(|place| usize::try_from(place).ok()).unwrap_or(0).min(axis * 8)
    };
    let start = eighths(bar.start).min(axis * 8 - 1);
    let end = eighths(bar.end).max(start + 1);
    let mut cells: String = (0..axis)
        .map(|cell| {
            let (from, to) = (start.max(cell * 8), end.min(cell * 8 + 8));
            let filled = to.saturating_sub(from);
            match filled {
                // Begun within the cell: there is a sign for the right half only.
                1..8 if from > cell * 8 && to == cell * 8 + 8 => match filled {
                    6.. => '█',
                    3.. => '▐',
                    _ if end > to => ' ',
                    _ => '▕',
                },
                _ => FILLED[filled],
            }
        })
        .collect();
    if cells.trim().is_empty() {
        cells = fit(&format!("{}▏", " ".repeat(start / 8)), axis);
    }
    cells
}

/// A duration as a person says it.
fn human(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", duration.as_millis()),
        1_000_000..60_000_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracer, SdkTracerProvider};

    use super::*;

    fn bar(id: u64, parent: u64, name: &str, start: u64, end: u64) -> Bar {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        Bar {
            id: SpanId::from(id),
            parent: SpanId::from(parent),
            name: name.to_owned(),
            start: at(start),
            end: at(end),
            tokens: Tokens::default(),
            error: None,
        }
    }

    fn guide() -> Vec<Bar> {
        let with = |mut bar: Bar, (input, output)| {
            bar.tokens = Tokens { input: Some(input), output: Some(output) };
            bar
        };
        vec![
            bar(3, 2, "POST", 0, 10),
            with(bar(2, 1, "chat gpt-4o", 0, 400), (76, 15)),
            bar(5, 4, "fetch_forecast", 400, 700),
            bar(4, 1, "execute_tool get_weather", 400, 700),
            with(bar(6, 1, "chat gpt-4o", 700, 1000), (116, 24)),
            bar(1, 0, "invoke_agent", 0, 1000),
        ]
    }

    #[test]
    fn a_trace_is_a_tree_with_bars_on_one_axis() {
        let drawn = draw("0123456789abcdef", &guide(), Style { colour: false, width: 80 });
        let expected = "\
trace 01234567 · 1.00 s · 6 spans · 192 in → 39 out
invoke_agent                  █████████████████████████  1.00 s
├── chat gpt-4o               ██████████                 400 ms  76 in → 15 out
│   └── POST                  ▎                           10 ms
├── execute_tool get_weather            ███████▌         300 ms
│   └── fetch_forecast                  ███████▌         300 ms
└── chat gpt-4o                                ▐███████  300 ms  116 in → 24 out
";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn an_error_is_red_where_there_is_colour() {
        let mut bars = guide();
        bars[3].error = Some("timeout".to_owned());
        let plain = draw("t", &bars, Style { colour: false, width: 100 });
        assert!(!plain.contains('\u{1b}'));
        assert!(plain.contains("✗ timeout"));
        let red = draw("t", &bars, Style { colour: true, width: 100 });
        assert_eq!(red.matches("\u{1b}[31m").count(), 1);
    }

    #[test]
    fn odd_traces_are_drawn_all_the_same() {
        let style = Style { colour: true, width: 0 };
        assert_eq!(draw("t", &[], style), "");
        // An end before the start, a parent that is missing, a name that is too long.
        let odd = [bar(1, 9, &"long ".repeat(50), 500, 100), bar(2, 8, "other root", 5, 5)];
        let drawn = draw("", &odd, style);
        assert_eq!(drawn.lines().count(), 3);
        assert!(drawn.contains('…'));
        let rings = [bar(1, 1, "own parent", 0, 1), bar(2, 3, "a", 2, 3), bar(3, 2, "b", 1, 2)];
        assert_eq!(draw("t", &rings, style).lines().count(), 4);
        let deep: Vec<Bar> = (1..3_000).map(|n| bar(n, n - 1, "x", n, n + 1)).collect();
        assert_eq!(draw("t", &deep, Style { colour: false, width: 80 }).lines().count(), 3_000);
    }

    #[test]
    fn durations_are_said_as_a_person_says_them() {
        for (micros, said) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (999_999, "999 ms"),
            (1_500_000, "1.50 s"),
            (125_000_000, "2 min 5 s"),
        ] {
            assert_eq!(human(Duration::from_micros(micros)), said);
        }
    }

    #[test]
    fn a_bar_begins_and_ends_within_a_column_and_is_never_invisible() {
        let drawn = |start, end| {
            let begin = SystemTime::UNIX_EPOCH;
            stretch(begin, Duration::from_millis(32), &bar(1, 0, "x", start, end), 4)
        };
        assert_eq!(drawn(0, 32), "████");
        assert_eq!(drawn(0, 12), "█▌  ");
        assert_eq!(drawn(12, 32), " ▐██");
        assert_eq!(drawn(9, 20), " █▌ ");
        assert_eq!(drawn(7, 16), " █  ");
        assert_eq!(drawn(31, 32), "   ▕");
        for start in 0..40 {
            for end in 0..40 {
                let cells = drawn(start, end);
                assert_eq!(cells.chars().count(), 4, "{start} {end}");
                assert!(!cells.trim().is_empty(), "{start} {end}");
            }
        }
        let never = stretch(SystemTime::UNIX_EPOCH, Duration::ZERO, &bar(1, 0, "x", 0, 0), 4);
        assert_eq!(never, "▏   ");
    }

    #[test]
    fn tokens_are_those_of_model_calls_and_names_hold_no_commands() {
        let spans = recorded(|tracer| {
            for operation in ["chat", "invoke_agent"] {
                let mut span = tracer.start("red\u{1b}[31m\nname");
                span.set_attributes([
                    KeyValue::new("gen_ai.operation.name", operation),
                    KeyValue::new("gen_ai.usage.input_tokens", 76),
                    KeyValue::new("error.type", "rate_limit\u{7}"),
                ]);
                span.set_status(Status::error("secret"));
            }
        });
        let bars: Vec<Bar> = spans.iter().map(Bar::of).collect();
        assert_eq!(bars[0].tokens.said().as_deref(), Some("76 in"));
        assert_eq!(bars[1].tokens.said(), None);
        let drawn = draw("t", &bars, Style { colour: false, width: 100 });
        assert!(drawn.starts_with("trace t · "), "{drawn}");
        assert!(drawn.contains(" · 2 spans · 76 in · 2 errors\n"), "{drawn}");
        assert!(!drawn.contains(['\u{1b}', '\u{7}']) && !drawn.contains("secret"), "{drawn}");
        assert_eq!(drawn.lines().count(), 3);
    }

    fn recorded(work: impl FnOnce(&SdkTracer)) -> Vec<SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        work(&provider.tracer("test"));
        exporter.get_finished_spans().unwrap()
    }

    #[test]
    fn a_long_name_gives_way_to_the_axis() {
        let bars = [bar(1, 0, &"long ".repeat(50), 0, 8)];
        let drawn = draw("t", &bars, Style { colour: false, width: 60 });
        assert!(drawn.lines().all(|line| line.chars().count() <= 60), "{drawn}");
        assert!(drawn.contains('…') && drawn.contains("████████████"), "{drawn}");
    }

    #[test]
    fn colour_is_for_terminals_unless_somebody_minds() {
        fn style(pairs: &[(&str, &str)], terminal: bool) -> (bool, usize) {
            let find = |name: &str| pairs.iter().find(|(key, _)| *key == name);
            let style = Style::of(|name| find(name).map(|(_, v)| (*v).to_owned()), terminal);
            (style.colour, style.width)
        }
        assert_eq!(style(&[], true), (true, 100));
        assert_eq!(style(&[], false), (false, 100));
        assert_eq!(style(&[("NO_COLOR", "1"), ("COLUMNS", "72")], true), (false, 72));
        assert_eq!(style(&[("NO_COLOR", ""), ("COLUMNS", "wide")], true), (true, 100));
        assert_eq!(style(&[("CLICOLOR_FORCE", "1")], false), (true, 100));
        assert_eq!(style(&[("CLICOLOR_FORCE", "0")], false), (false, 100));
        assert_eq!(style(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true), (false, 100));
    }
}
