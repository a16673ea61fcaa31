//! A trace as text: a tree of spans, their bars on one time axis, durations, tokens, errors.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use opentelemetry::Value;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;

/// How it is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) colour: bool,
    /// The columns there are.
    pub(super) width: usize,
}

/// What is shown of a span.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    id: SpanId,
    parent: SpanId,
    name: String,
    start: SystemTime,
    end: SystemTime,
    tokens: Option<(i64, i64)>,
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
        let tokens = count("gen_ai.usage.input_tokens").zip(count("gen_ai.usage.output_tokens"));
        let failed = matches!(span.status, Status::Error { .. });
        Self {
            id: span.span_context.span_id(),
            parent: span.parent_span_id,
            name: span.name.to_string(),
            start: span.start_time,
            end: span.end_time,
            tokens,
            error: failed.then(|| {
                find("error.type").map_or_else(|| "error".into(), |pair| pair.value.to_string())
            }),
        }
    }

    fn duration(&self) -> Duration {
        self.end.duration_since(self.start).unwrap_or_default()
    }
}

/// The narrowest axis that still says something.
const LEAST_AXIS: usize = 12;
const DURATION_WIDTH: usize = 8;

/// The whole picture of a trace.
pub(super) fn draw(trace: &str, bars: &[Bar], style: Style) -> String {
    let rows = in_order(bars);
    let (Some(begin), Some(end)) =
        (bars.iter().map(|bar| bar.start).min(), bars.iter().map(|bar| bar.end).max())
    else {
        return String::new();
    };
    let total = end.duration_since(begin).unwrap_or_default();
    let notes: Vec<String> = rows.iter().map(|row| note(row.bar)).collect();
    let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
    let note_width = longest(&mut notes.iter().map(|note| note.chars().count()));
    let label_width = longest(&mut rows.iter().map(|row| row.label().chars().count()));
    let spare = style.width.saturating_sub(note_width + DURATION_WIDTH + 4);
    let label_width = label_width.min(spare.saturating_sub(LEAST_AXIS).max(LEAST_AXIS));
    let axis = spare.saturating_sub(label_width).clamp(LEAST_AXIS, 60);

    let mut out = String::new();
    let short: String = trace.chars().take(8).collect();
    let _ = writeln!(out, "trace {short}  {}", human(total));
    for (row, note) in rows.iter().zip(&notes) {
        let label = fit(&row.label(), label_width);
        let bar = stretch(begin, total, row.bar, axis);
        let line = format!("{label}  {bar} {:>DURATION_WIDTH$}  {note}", human(row.bar.duration()));
        let _ = match (&row.bar.error, style.colour) {
            (Some(_), true) => writeln!(out, "\u{1b}[31m{}\u{1b}[0m", line.trim_end()),
            _ => writeln!(out, "{}", line.trim_end()),
        };
    }
    out
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
    let mut open: Vec<(&Bar, String, String)> = below
        .remove(&None)
        .unwrap_or_default()
        .into_iter()
        .rev()
        .map(|bar| (bar, String::new(), String::new()))
        .collect();
    while let Some((bar, branch, indent)) = open.pop() {
        let children = below.remove(&Some(bar.id)).unwrap_or_default();
        for (place, child) in children.into_iter().rev().enumerate() {
            let (fork, rest) =
                if place == 0 { ("└── ", "    ") } else { ("├── ", "│   ") };
            open.push((child, format!("{indent}{fork}"), format!("{indent}{rest}")));
        }
        rows.push(Row { branch, bar });
    }
    rows
}

fn note(bar: &Bar) -> String {
    let tokens = bar.tokens.map(|(input, output)| format!("{input} → {output} tokens"));
    let error = bar.error.as_ref().map(|kind| format!("✗ {kind}"));
    [tokens, error].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// A text of just that many columns.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The bar of a span on an axis of that many columns.
fn stretch(begin: SystemTime, total: Duration, bar: &Bar, axis: usize) -> String {
    let column = |time: SystemTime| {
        let since = time.duration_since(begin).unwrap_or_default();
        if total.is_zero() {
            return 0;
        }
        let columns = since.as_nanos().saturating_mul(axis as u128) / total.as_nanos();
        usize::try_from(columns).unwrap_or(axis).min(axis)
    };
    let start = column(bar.start).min(axis - 1);
    let end = column(bar.end).clamp(start + 1, axis);
    format!("{}{}{}", " ".repeat(start), "█".repeat(end - start), " ".repeat(axis - end))
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
    use super::*;

    fn bar(id: u64, parent: u64, name: &str, start: u64, end: u64) -> Bar {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        Bar {
            id: SpanId::from(id),
            parent: SpanId::from(parent),
            name: name.to_owned(),
            start: at(start),
            end: at(end),
            tokens: None,
            error: None,
        }
    }

    fn guide() -> Vec<Bar> {
        let with = |mut bar: Bar, tokens| {
            bar.tokens = Some(tokens);
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
trace 01234567  1.00 s
invoke_agent                  █████████████████████████   1.00 s
├── chat gpt-4o               ██████████                  400 ms  76 → 15 tokens
│   └── POST                  █                            10 ms
├── execute_tool get_weather            ███████           300 ms
│   └── fetch_forecast                  ███████           300 ms
└── chat gpt-4o                                ████████   300 ms  116 → 24 tokens
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
}
