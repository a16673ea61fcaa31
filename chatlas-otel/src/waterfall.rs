//! A trace as text: a tree of spans, their bars on one time axis, durations, tokens, cost, errors.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::env::Env;
use super::facts::{Facts, Tokens};
use super::messages::Said;
use super::output::Output;
use super::prices::Prices;
use super::tree::{self, Row};

/// How it is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Style {
    pub(super) colour: bool,
    /// The columns there are.
    pub(super) width: usize,
    /// Whether messages are shown below.
    pub(super) messages: bool,
    pub(super) prices: Prices,
}

/// The columns where nobody says how many there are.
const COLUMNS: usize = 100;

impl Style {
    /// As wide as `COLUMNS` says, else as the terminal is, else 100 columns; in colour on a
    /// terminal, unless `NO_COLOR` is set, and anywhere with `CLICOLOR_FORCE`.
    pub(super) fn of(env: Env<'_>, output: &Output) -> Self {
        let forced = env.text("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let columns = env.text("COLUMNS").and_then(|columns| columns.parse().ok());
        Self {
            colour: env.text("NO_COLOR").is_none() && (output.is_terminal() || forced),
            width: columns.or_else(|| output.width()).unwrap_or(COLUMNS),
            ..Self::default()
        }
    }

    pub(super) fn with_messages(self, messages: bool) -> Self {
        Self { messages, ..self }
    }

    pub(super) fn with_prices(self, prices: Prices) -> Self {
        Self { prices, ..self }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

const RED: &str = "31";
const DIM: &str = "2";
const BOLD: &str = "1";

/// The text without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(plain).collect()
}

/// The narrowest column of names, and the narrowest and widest axis.
const LEAST_LABEL: usize = 12;
const LEAST_AXIS: usize = 12;
const MOST_AXIS: usize = 60;

/// The whole picture of a trace, and what was said in it as far as it is shown.
pub(super) fn draw(trace: &str, spans: &[Facts], said: &[Said], style: &Style) -> String {
    let rows = tree::rows(spans);
    let (Some(begin), Some(end)) =
        (spans.iter().map(|span| span.start).min(), spans.iter().map(|span| span.end).max())
    else {
        return String::new();
    };
    let total = end.duration_since(begin).unwrap_or_default();
    let labels: Vec<String> = rows.iter().map(label).collect();
    let durations: Vec<String> = rows.iter().map(|row| human(took(row))).collect();
    let notes: Vec<String> = rows.iter().map(|row| note(row, style)).collect();
    let (label_width, duration_width, note_width) =
        (widest(&labels), widest(&durations), widest(&notes));
    let spare = style.width.saturating_sub(duration_width + note_width + 6);
    let label_width = label_width.min(spare.saturating_sub(LEAST_AXIS).max(LEAST_LABEL));
    let axis = spare.saturating_sub(label_width).clamp(LEAST_AXIS, MOST_AXIS);

    let mut out = header(trace, &rows, spans, total, style);
    for (((row, label), duration), note) in rows.iter().zip(&labels).zip(&durations).zip(&notes) {
        let label = fit(label, label_width);
        let stretch = marked(stretch(begin, total, row, axis), begin, total, row, axis);
        let line = format!("{label}  {stretch}  {duration:>duration_width$}  {note}");
        let line = line.trim_end();
        match &row.first.error {
            Some(_) => out.push_str(&style.paint(RED, line)),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    if style.messages && !said.is_empty() {
        out.push('\n');
        for said in said {
            write_said(&mut out, said, style);
        }
    }
    out
}

fn widest(texts: &[String]) -> usize {
    texts.iter().map(|text| text.chars().count()).max().unwrap_or_default()
}

fn label(row: &Row<'_>) -> String {
    let name = printable(&row.first.name);
    match row.count {
        1 => format!("{}{name}", row.branch),
        count => format!("{}{name} ×{count}", row.branch),
    }
}

/// From the beginning of the first to the end of the last.
fn took(row: &Row<'_>) -> Duration {
    row.end.duration_since(row.start).unwrap_or_default()
}

/// Which trace it is, how long it took, and what it came to.
fn header(
    trace: &str,
    rows: &[Row<'_>],
    spans: &[Facts],
    total: Duration,
    style: &Style,
) -> String {
    let mut roots = rows.iter().filter(|row| row.branch.is_empty());
    let took = match (roots.next(), roots.next()) {
        (Some(only), None) => took(only),
        _ => total,
    };
    let several = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    let errors = spans.iter().filter(|span| span.error.is_some()).count();
    let tokens = spans.iter().fold(Tokens::default(), |sum, span| sum.and(span.tokens));
    let cost = spans.iter().filter_map(|span| span.cost).reduce(|a, b| a + b);
    let short: String = trace.chars().take(8).collect();
    let facts = [
        Some(style.paint(BOLD, &format!("trace {short}"))),
        Some(human(took)),
        Some(several(spans.len(), "span")),
        tokens.said(),
        cost.map(|cost| money(cost, style.prices.currency())),
        (errors > 0).then(|| style.paint(RED, &several(errors, "error"))),
        rows.iter()
            .any(|row| first_chunk(row).is_some())
            .then(|| style.paint(DIM, &format!("{FIRST_CHUNK} first chunk"))),
    ];
    format!("{}\n", facts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
}

fn note(row: &Row<'_>, style: &Style) -> String {
    let each = (row.count > 1).then(|| {
        let count = u32::try_from(row.count).unwrap_or(u32::MAX);
        format!("⌀ {}, longest {}", human(row.sum / count), human(row.longest))
    });
    let error = row.first.error.as_ref().map(|kind| format!("✗ {}", printable(kind)));
    let cost = row.cost.map(|cost| money(cost, style.prices.currency()));
    [row.tokens.said(), cost, each, error].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// A cost as a person says it: two digits that mean something.
pub(super) fn money(cost: f64, currency: &str) -> String {
    let digits = match cost {
        0.995.. => 2,
        0.0995.. => 3,
        0.00995.. => 4,
        0.000_995.. => 5,
        _ => 6,
    };
    let space = if currency.chars().count() > 1 { " " } else { "" };
    format!("{currency}{space}{cost:.digits$}")
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
/// Where the first chunk came.
const FIRST_CHUNK: char = '◆';

/// The eighth of the axis where that time is.
fn eighth(time: SystemTime, begin: SystemTime, total: Duration, axis: usize) -> usize {
    let since = time.duration_since(begin).unwrap_or_default().as_nanos();
    let place = since.saturating_mul(axis as u128 * 8).checked_div(total.as_nanos());
    place.and_then(|place| usize::try_from(place).ok()).unwrap_or(0).min(axis * 8)
}

/// The bar of a row on an axis of that many columns, to the eighth of a column where there is a
/// sign for it. Something of it is always to be seen.
fn stretch(begin: SystemTime, total: Duration, row: &Row<'_>, axis: usize) -> String {
    let start = eighth(row.start, begin, total, axis).min(axis * 8 - 1);
    let end = eighth(row.end, begin, total, axis).max(start + 1);
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
                // Begun and ended in the right half of it.
                1..=4 if from >= cell * 8 + 4 => '▕',
                _ => FILLED[filled],
            }
        })
        .collect();
    if cells.trim().is_empty() {
        cells = fit(&format!("{}▏", " ".repeat(start / 8)), axis);
    }
    cells
}

/// When the first chunk of a reply came, where that is later than its beginning and before its end.
fn first_chunk(row: &Row<'_>) -> Option<SystemTime> {
    let time = row.first.start.checked_add(row.first.time_to_first_chunk?)?;
    (row.count == 1 && time < row.end).then_some(time)
}

/// The bar with a mark where the first chunk came, if it is long enough to show it.
fn marked(bar: String, begin: SystemTime, total: Duration, row: &Row<'_>, axis: usize) -> String {
    let Some(time) = first_chunk(row) else { return bar };
    let place = eighth(time, begin, total, axis) / 8;
    if bar.chars().filter(|c| *c != ' ').count() < 3 {
        return bar;
    }
    bar.chars()
        .enumerate()
        .map(|(cell, c)| if cell == place && c != ' ' { FIRST_CHUNK } else { c })
        .collect()
}

/// The widest that what was said is set.
const MOST_TEXT: usize = 100;

/// What somebody said: who, and the text behind it, its lines below each other.
fn write_said(out: &mut String, said: &Said, style: &Style) {
    let who = format!("{:>9}  ", said.who);
    let width = style.width.min(MOST_TEXT).saturating_sub(who.chars().count()).max(20);
    let mut first = true;
    for line in said.text.lines().flat_map(|line| wrapped(&printable(line), width)) {
        let before = if std::mem::take(&mut first) { who.as_str() } else { "           " };
        let _ = writeln!(out, "{}{line}", style.paint(DIM, before));
    }
    if first {
        let _ = writeln!(out, "{}", style.paint(DIM, &who));
    }
}

/// A line in pieces of that width, parted between words where that can be.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in line.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !piece.is_empty() && piece.chars().count() + 1 + word.len() > width {
            pieces.push(std::mem::take(&mut piece));
        }
        if !piece.is_empty() {
            piece.push(' ');
        }
        while word.len() > width {
            let rest = word.split_off(width);
            pieces.push(word.into_iter().collect());
            word = rest;
        }
        piece.extend(word);
    }
    pieces.push(piece);
    pieces
}

/// A duration as a person says it.
pub(super) fn human(duration: Duration) -> String {
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
    use opentelemetry::trace::{Span as _, SpanId, Status, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracer, SdkTracerProvider, SpanData};

    use super::super::env::tests::of;
    use super::super::facts::Kind;
    use super::super::output::tests::Shared;
    use super::super::prices::Price;
    use super::*;

    fn bar(id: u64, parent: u64, name: &str, start: u64, end: u64) -> Facts {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        Facts {
            id: SpanId::from(id),
            parent: SpanId::from(parent),
            name: name.to_owned(),
            kind: Kind::Other,
            start: at(start),
            end: at(end),
            tokens: Tokens::default(),
            time_to_first_chunk: None,
            model: None,
            tool: None,
            error: None,
            cost: None,
        }
    }

    fn plain(width: usize) -> Style {
        Style { width, ..Style::default() }
    }

    fn coloured(width: usize) -> Style {
        Style { colour: true, width, ..Style::default() }
    }

    fn guide() -> Vec<Facts> {
        let with = |mut bar: Facts, (input, output)| {
            bar.tokens = Tokens { input: Some(input), output: Some(output), cached: None };
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
        let drawn = draw("0123456789abcdef", &guide(), &[], &plain(80));
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
    fn the_first_chunk_is_a_mark_on_the_bar() {
        let mut spans = guide();
        spans[1].time_to_first_chunk = Some(Duration::from_millis(200));
        spans[4].time_to_first_chunk = Some(Duration::from_millis(900)); // as long as nobody was
        let drawn = draw("t", &spans, &[], &plain(80));
        assert!(drawn.lines().next().unwrap().ends_with(" · ◆ first chunk"), "{drawn}");
        assert!(drawn.contains("├── chat gpt-4o               █████◆████  "), "{drawn}");
        assert_eq!(drawn.matches('◆').count(), 2, "{drawn}");
    }

    #[test]
    fn spans_that_are_alike_in_a_row_are_one_line() {
        let mut spans = vec![bar(1, 0, "invoke_agent", 0, 1000)];
        for n in 0..12 {
            spans.push(bar(100 + n, 1, "execute_tool look_up", n * 10, n * 10 + 100));
            spans.push(bar(200 + n, 100 + n, "query", n * 10, n * 10 + 50));
        }
        spans.push(bar(300, 1, "execute_tool look_up", 500, 600)); // without a query
        let drawn = draw("t", &spans, &[], &plain(100));
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 5, "{drawn}");
        assert!(lines[2].starts_with("├── execute_tool look_up ×12 "), "{drawn}");
        assert!(lines[2].ends_with("210 ms  ⌀ 100 ms, longest 100 ms"), "{drawn}");
        assert!(lines[3].starts_with("│   └── query ×12 "), "{drawn}");
        assert!(lines[4].starts_with("└── execute_tool look_up  "), "{drawn}");
        let mut failed = spans.clone();
        failed[3].error = Some("timeout".to_owned());
        let drawn = draw("t", &failed, &[], &plain(100));
        assert!(drawn.contains("✗ timeout") && drawn.contains("1 error"), "{drawn}");
    }

    #[test]
    fn what_a_trace_cost_is_told_where_there_are_prices() {
        let price = Price { input: 2.5, output: 10.0, cached_input: None };
        let prices = Prices::in_currency("$").model("gpt-4o", price);
        let spans = recorded(|tracer| {
            let mut span = tracer.start("chat gpt-4o");
            span.set_attributes([
                KeyValue::new("gen_ai.operation.name", "chat"),
                KeyValue::new("gen_ai.request.model", "gpt-4o"),
                KeyValue::new("gen_ai.usage.input_tokens", 76),
                KeyValue::new("gen_ai.usage.output_tokens", 15),
            ]);
        });
        let facts: Vec<Facts> = spans.iter().map(|span| Facts::of(span, &prices)).collect();
        let style = plain(90).with_prices(prices);
        let drawn = draw("t", &facts, &[], &style);
        assert!(drawn.starts_with("trace t · ") && drawn.contains(" · $0.000340\n"), "{drawn}");
        assert!(drawn.contains("76 in → 15 out  $0.000340\n"), "{drawn}");
        assert_eq!(money(12.345, "EUR"), "EUR 12.35");
        assert_eq!(money(0.0004, "$"), "$0.000400");
    }

    #[test]
    fn messages_stand_below_where_they_are_asked_for() {
        let said = [
            Said { who: "user".into(), text: "What should I pack? ".repeat(6) },
            Said { who: "assistant".into(), text: "→ get_weather({})\u{1b}[31m".into() },
        ];
        assert!(!draw("t", &guide(), &said, &plain(60)).contains("user"));
        let style = plain(60).with_messages(true);
        let drawn = draw("t", &guide(), &said, &style);
        let below = drawn.split("\n\n").nth(1).unwrap();
        assert!(below.starts_with("     user  What should I pack?"), "{below}");
        assert!(below.contains("\nassistant  → get_weather({})�[31m\n"), "{below}");
        assert!(below.lines().all(|line| line.chars().count() <= 60), "{below}");
    }

    #[test]
    fn an_error_is_red_where_there_is_colour() {
        let mut bars = guide();
        bars[3].error = Some("timeout".to_owned());
        let drawn = draw("t", &bars, &[], &plain(100));
        assert!(!drawn.contains('\u{1b}'));
        assert!(drawn.contains("✗ timeout"));
        let red = draw("t", &bars, &[], &coloured(100));
        assert_eq!(red.matches("\u{1b}[31m").count(), 2, "in the head and at the span");
    }

    #[test]
    fn odd_traces_are_drawn_all_the_same() {
        let style = coloured(0);
        assert_eq!(draw("t", &[], &[], &style), "");
        // An end before the start, a parent that is missing, a name that is too long.
        let odd = [bar(1, 9, &"long ".repeat(50), 500, 100), bar(2, 8, "other root", 5, 5)];
        let drawn = draw("", &odd, &[], &style);
        assert_eq!(drawn.lines().count(), 3);
        assert!(drawn.contains('…'));
        let rings = [bar(1, 1, "own parent", 0, 1), bar(2, 3, "a", 2, 3), bar(3, 2, "b", 1, 2)];
        assert_eq!(draw("t", &rings, &[], &style).lines().count(), 4);
        let deep: Vec<Facts> = (1..3_000).map(|n| bar(n, n - 1, "x", n, n + 1)).collect();
        assert_eq!(draw("t", &deep, &[], &plain(80)).lines().count(), 3_000);
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
        let drawn = |total, start, end| {
            let spans = [bar(1, 0, "x", start, end)];
            let rows = tree::rows(&spans);
            stretch(SystemTime::UNIX_EPOCH, Duration::from_millis(total), &rows[0], 4)
        };
        assert_eq!(drawn(32, 0, 32), "████");
        assert_eq!(drawn(32, 0, 12), "█▌  ");
        assert_eq!(drawn(32, 9, 20), " █▌ ");
        assert_eq!(drawn(32, 7, 16), " █  ");
        assert_eq!(drawn(32, 31, 32), "   ▕");
        // A short one is not drawn before what it is part of.
        assert_eq!(drawn(32, 12, 32), " ▐██");
        assert_eq!(drawn(32, 13, 15), " ▕  ");
        assert_eq!(drawn(32, 9, 11), " ▎  ");
        for start in 0..40 {
            for end in 0..40 {
                let cells = drawn(32, start, end);
                assert_eq!(cells.chars().count(), 4, "{start} {end}");
                assert!(!cells.trim().is_empty(), "{start} {end}");
            }
        }
        assert_eq!(drawn(0, 0, 0), "▏   ");
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
        let prices = Prices::default();
        let bars: Vec<Facts> = spans.iter().map(|span| Facts::of(span, &prices)).collect();
        assert_eq!(bars[0].tokens.said().as_deref(), Some("76 in"));
        assert_eq!(bars[1].tokens.said(), None);
        let drawn = draw("t", &bars, &[], &plain(100));
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
        let drawn = draw("t", &bars, &[], &plain(60));
        assert!(drawn.lines().all(|line| line.chars().count() <= 60), "{drawn}");
        assert!(drawn.contains('…') && drawn.contains("████████████"), "{drawn}");
    }

    #[test]
    fn colour_is_for_terminals_unless_somebody_minds() {
        // A writer is no terminal, and neither is the standard output of a test.
        fn style(pairs: &[(&str, &str)]) -> (bool, usize) {
            let style = Style::of(Env::new(&of(pairs)), &Output::to(Shared::default()));
            (style.colour, style.width)
        }
        assert_eq!(style(&[]), (false, 100));
        assert_eq!(style(&[("NO_COLOR", ""), ("COLUMNS", "wide")]), (false, 100));
        assert_eq!(style(&[("CLICOLOR_FORCE", "1"), ("COLUMNS", "72")]), (true, 72));
        assert_eq!(style(&[("CLICOLOR_FORCE", "0")]), (false, 100));
        assert_eq!(style(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), (false, 100));
    }
}
