//! Draws a trace as text: a tree of spans with their bars on one time axis, durations, tokens, costs
//! and errors.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::SpanId;

use crate::env::Env;
use crate::facts::{Facts, Kind};
use crate::format::{self, fit, money, printable, wrap};
use crate::messages::Message;
use crate::output::Output;
use crate::tokens::Tokens;
use crate::tree::{self, Row};
use chatlas_core::cost::Prices;

/// The style of a drawing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// The number of columns.
    pub(crate) width: usize,
    /// Whether captured messages are drawn below the tree.
    pub(crate) messages: bool,
    pub(crate) prices: Prices,
}

/// The number of columns if neither `COLUMNS` nor a terminal defines it.
const DEFAULT_WIDTH: usize = 100;

impl Style {
    /// Returns the style for an output. The width is that of `COLUMNS`, else of the terminal, else
    /// 100 columns. Colours are used on a terminal or with `CLICOLOR_FORCE`, unless `NO_COLOR` is
    /// set.
    pub(crate) fn new(env: Env<'_>, output: &Output) -> Self {
        let forced = env.text("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let columns = env.text("COLUMNS").and_then(|columns| columns.parse().ok());
        Self {
            colour: env.text("NO_COLOR").is_none() && (output.is_terminal() || forced),
            width: columns.or_else(|| output.width()).unwrap_or(DEFAULT_WIDTH),
            ..Self::default()
        }
    }

    pub(crate) fn with_messages(self, messages: bool) -> Self {
        Self { messages, ..self }
    }

    pub(crate) fn with_prices(self, prices: Prices) -> Self {
        Self { prices, ..self }
    }

    /// Returns a cost as text, or `None` without prices or calls. States how many calls it lacks if
    /// `counted`.
    fn cost(&self, cost: Option<f64>, without: usize, counted: bool) -> Option<String> {
        if self.prices.is_empty() || cost.is_none() && without == 0 {
            return None;
        }
        let sum =
            cost.map_or_else(|| UNKNOWN.to_owned(), |cost| money(cost, self.prices.currency()));
        if without == 0 || !counted {
            return Some(sum);
        }
        Some(format!("{sum} without {} of unknown price", format::count(without, "call")))
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// What is shown for an unknown value.
const UNKNOWN: &str = "—";
const RED: &str = "31";
const DIM: &str = "2";
const BOLD: &str = "1";

/// The minimum width of the names, and the minimum and maximum width of the axis.
const MIN_LABEL: usize = 12;
const MIN_AXIS: usize = 12;
const MAX_AXIS: usize = 60;

/// Draws a trace, followed by its messages if the style includes them.
pub(crate) fn draw(trace: &str, spans: &[Facts], messages: &[Message], style: &Style) -> String {
    let rows = tree::rows(spans);
    let (Some(start), Some(end)) =
        (spans.iter().map(|span| span.start).min(), spans.iter().map(|span| span.end).max())
    else {
        return String::new();
    };
    let total = end.duration_since(start).unwrap_or_default();
    let labels: Vec<String> = rows.iter().map(label).collect();
    let durations: Vec<String> = rows.iter().map(|row| format::duration(duration(row))).collect();
    let notes: Vec<String> = rows.iter().map(|row| note(row, style)).collect();
    let (label_width, duration_width, note_width) =
        (widest(&labels), widest(&durations), widest(&notes));
    let spare = style.width.saturating_sub(duration_width + note_width + 6);
    let label_width = label_width.min(spare.saturating_sub(MIN_AXIS).max(MIN_LABEL));
    let axis = spare.saturating_sub(label_width).clamp(MIN_AXIS, MAX_AXIS);

    let mut out = header(trace, &rows, spans, total, style);
    for (((row, label), duration), note) in rows.iter().zip(&labels).zip(&durations).zip(&notes) {
        let label = fit(label, label_width);
        let bar = mark_first_chunk(bar(start, total, row, axis), start, total, row, axis);
        let line = format!("{label}  {bar}  {duration:>duration_width$}  {note}");
        let line = line.trim_end();
        match &row.first.error {
            Some(_) => out.push_str(&style.paint(RED, line)),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    if style.messages && !messages.is_empty() {
        out.push('\n');
        for message in messages {
            write_message(&mut out, message, style);
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

/// Returns the time from the start of the first span to the end of the last.
fn duration(row: &Row<'_>) -> Duration {
    row.end.duration_since(row.start).unwrap_or_default()
}

/// Returns the first line: the trace, its duration, and the totals over its spans.
fn header(
    trace: &str,
    rows: &[Row<'_>],
    spans: &[Facts],
    total: Duration,
    style: &Style,
) -> String {
    let mut roots = rows.iter().filter(|row| row.branch.is_empty());
    let duration = match (roots.next(), roots.next()) {
        (Some(root), None) => duration(root),
        _ => total,
    };
    let errors = count_causes(spans, |span| span.error.is_some());
    let cancelled = count_causes(spans, |span| span.cancelled);
    let tokens = spans.iter().fold(Tokens::default(), |sum, span| sum.plus(span.tokens));
    let cost = spans.iter().filter_map(|span| span.cost).reduce(|a, b| a + b);
    let without_cost = spans.iter().filter(|span| span.has_unknown_cost()).count();
    let short: String = trace.chars().take(8).collect();
    let facts = [
        Some(style.paint(BOLD, &format!("trace {short}"))),
        Some(format::duration(duration)),
        Some(format::count(spans.len(), "span")),
        tokens.label(),
        style.cost(cost, without_cost, true),
        (cancelled > 0).then(|| format!("{cancelled} cancelled")),
        (errors > 0).then(|| style.paint(RED, &format::count(errors, "error"))),
        rows.iter()
            .any(|row| first_chunk(row).is_some())
            .then(|| style.paint(DIM, &format!("{FIRST_CHUNK} first chunk"))),
    ];
    format!("{}\n", facts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
}

/// Returns how many spans have a property that is not a consequence of the same property of a child.
/// The failure of a model call fails the agent, too. That of a tool does not.
fn count_causes(spans: &[Facts], has: impl Fn(&Facts) -> bool) -> usize {
    let effects: HashSet<SpanId> = spans
        .iter()
        .filter(|span| has(span) && span.kind != Kind::ToolCall)
        .map(|span| span.parent)
        .collect();
    spans.iter().filter(|span| has(span) && !effects.contains(&span.id)).count()
}

fn note(row: &Row<'_>, style: &Style) -> String {
    let each = (row.count > 1).then(|| {
        let count = u32::try_from(row.count).unwrap_or(u32::MAX);
        let mean = format::duration(row.total / count);
        format!("⌀ {mean}, longest {}", format::duration(row.longest))
    });
    let error = row.first.error.as_ref().map(|kind| format!("✗ {}", printable(kind)));
    let cancelled = row.first.cancelled.then(|| "⊘ cancelled".to_owned());
    let is_call = row.first.kind == Kind::ModelCall;
    let tokens = row.tokens.label().or_else(|| is_call.then(|| UNKNOWN.to_owned()));
    let cost = style.cost(row.cost, row.without_cost, row.count > 1);
    let details = row.first.details.clone().filter(|_| row.count == 1);
    [tokens, details, cost, each, cancelled, error]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("  ")
}

/// Cells filled from the left, by eighths.
const FILLED: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// The mark of the first chunk.
const FIRST_CHUNK: char = '◆';

/// Returns the position of a time on the axis, in eighths of a column.
fn eighth(time: SystemTime, start: SystemTime, total: Duration, axis: usize) -> usize {
    let since = time.duration_since(start).unwrap_or_default().as_nanos();
    let position = since.saturating_mul(axis as u128 * 8).checked_div(total.as_nanos());
    position.and_then(|position| usize::try_from(position).ok()).unwrap_or(0).min(axis * 8)
}

/// Returns the bar of a row on an axis of `axis` columns, with a resolution of an eighth of a column
/// where Unicode has a character for it. A bar is never empty.
fn bar(trace_start: SystemTime, total: Duration, row: &Row<'_>, axis: usize) -> String {
    let start = eighth(row.start, trace_start, total, axis).min(axis * 8 - 1);
    let end = eighth(row.end, trace_start, total, axis).max(start + 1);
    let mut cells: String = (0..axis)
        .map(|cell| {
            let (from, to) = (start.max(cell * 8), end.min(cell * 8 + 8));
            let filled = to.saturating_sub(from);
            match filled {
                // Starts within the cell: Unicode has a character for the right half only.
                1..8 if from > cell * 8 && to == cell * 8 + 8 => match filled {
                    6.. => '█',
                    3.. => '▐',
                    _ if end > to => ' ',
                    _ => '▕',
                },
                // Starts and ends in the right half of the cell.
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

/// Returns the time of the first chunk, if the row is one span that ended later.
fn first_chunk(row: &Row<'_>) -> Option<SystemTime> {
    let time = row.first.start.checked_add(row.first.time_to_first_chunk?)?;
    (row.count == 1 && time < row.end).then_some(time)
}

/// Marks the first chunk on a bar that is long enough.
fn mark_first_chunk(
    bar: String,
    trace_start: SystemTime,
    total: Duration,
    row: &Row<'_>,
    axis: usize,
) -> String {
    let Some(time) = first_chunk(row) else { return bar };
    let mark = eighth(time, trace_start, total, axis) / 8;
    if bar.chars().filter(|c| *c != ' ').count() < 3 {
        return bar;
    }
    bar.chars()
        .enumerate()
        .map(|(cell, c)| if cell == mark && c != ' ' { FIRST_CHUNK } else { c })
        .collect()
}

/// The maximum width of messages.
const MAX_MESSAGE_WIDTH: usize = 100;

/// Writes a message: the role, then the text with its lines aligned.
fn write_message(out: &mut String, message: &Message, style: &Style) {
    let role = format!("{:>9}  ", printable(&message.role));
    let width = style.width.min(MAX_MESSAGE_WIDTH).saturating_sub(role.chars().count()).max(20);
    let mut first = true;
    for line in message.text.lines().flat_map(|line| wrap(&printable(line), width)) {
        let margin = if std::mem::take(&mut first) { role.as_str() } else { "           " };
        let _ = writeln!(out, "{}{line}", style.paint(DIM, margin));
    }
    if first {
        let _ = writeln!(out, "{}", style.paint(DIM, &role));
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{Span as _, Status, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracer, SdkTracerProvider, SpanData};

    use crate::env::tests::lookup;
    use crate::output::tests::SharedWriter;
    use chatlas_core::cost::Price;

    use super::*;

    fn span(id: u64, parent: u64, name: &str, start: u64, end: u64) -> Facts {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        Facts {
            id: SpanId::from(id),
            parent: SpanId::from(parent),
            name: name.to_owned(),
            kind: Kind::Other,
            details: None,
            start: at(start),
            end: at(end),
            tokens: Tokens::default(),
            time_to_first_chunk: None,
            model: None,
            tool: None,
            error: None,
            cost: None,
            cancelled: false,
        }
    }

    fn plain(width: usize) -> Style {
        Style { width, ..Style::default() }
    }

    fn coloured(width: usize) -> Style {
        Style { colour: true, width, ..Style::default() }
    }

    fn guide() -> Vec<Facts> {
        let with = |mut span: Facts, (input, output)| {
            span.tokens = Tokens { input: Some(input), output: Some(output), ..Tokens::default() };
            span
        };
        vec![
            span(3, 2, "POST", 0, 10),
            with(span(2, 1, "chat gpt-4o", 0, 400), (76, 15)),
            span(5, 4, "fetch_forecast", 400, 700),
            span(4, 1, "execute_tool get_weather", 400, 700),
            with(span(6, 1, "chat gpt-4o", 700, 1000), (116, 24)),
            span(1, 0, "invoke_agent", 0, 1000),
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
        spans[4].time_to_first_chunk = Some(Duration::from_millis(900)); // beyond the end
        let drawn = draw("t", &spans, &[], &plain(80));
        assert!(drawn.lines().next().unwrap().ends_with(" · ◆ first chunk"), "{drawn}");
        assert!(drawn.contains("├── chat gpt-4o               █████◆████  "), "{drawn}");
        assert_eq!(drawn.matches('◆').count(), 2, "{drawn}");
    }

    #[test]
    fn similar_consecutive_siblings_are_one_row() {
        let mut spans = vec![span(1, 0, "invoke_agent", 0, 1000)];
        for n in 0..12 {
            spans.push(span(100 + n, 1, "execute_tool look_up", n * 10, n * 10 + 100));
            spans.push(span(200 + n, 100 + n, "query", n * 10, n * 10 + 50));
        }
        spans.push(span(300, 1, "execute_tool look_up", 500, 600)); // has no child
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
    fn costs_are_shown_for_models_with_prices() {
        let prices = Prices::new("$").with_price("gpt-4o", Price::new(2.5, 10.0));
        let recorded = record(|tracer| {
            let mut span = tracer.start("chat gpt-4o");
            span.set_attributes([
                KeyValue::new("gen_ai.operation.name", "chat"),
                KeyValue::new("gen_ai.request.model", "gpt-4o"),
                KeyValue::new("gen_ai.usage.input_tokens", 76),
                KeyValue::new("gen_ai.usage.output_tokens", 15),
            ]);
        });
        let facts: Vec<Facts> =
            recorded.iter().map(|span| Facts::from_span(span, &prices)).collect();
        let style = plain(90).with_prices(prices);
        let drawn = draw("t", &facts, &[], &style);
        assert!(drawn.starts_with("trace t · ") && drawn.contains(" · $0.000340\n"), "{drawn}");
        assert!(drawn.contains("76 in → 15 out  $0.000340\n"), "{drawn}");
    }

    #[test]
    fn partial_and_unknown_costs_are_marked() {
        let prices = Prices::new("$").with_price("gpt-4o", Price::new(2.5, 10.0));
        let style = plain(120).with_prices(prices);
        let call = |id: u64, cost| Facts {
            kind: Kind::ModelCall,
            tokens: Tokens { input: Some(76), output: Some(15), ..Tokens::default() },
            cost,
            ..span(id, 0, if cost.is_some() { "chat gpt-4o" } else { "chat other" }, 0, 10)
        };
        let drawn = draw("t", &[call(1, Some(0.00034)), call(2, None)], &[], &style);
        let header = drawn.lines().next().unwrap();
        assert!(header.ends_with(" · $0.000340 without 1 call of unknown price"), "{drawn}");
        let rows: Vec<_> = drawn.lines().skip(1).collect();
        assert!(rows[0].ends_with("76 in → 15 out  $0.000340"), "{drawn}");
        assert!(rows[1].ends_with("76 in → 15 out  —"), "{drawn}");
        let unknown = draw("t", &[call(1, None)], &[], &style);
        assert!(unknown.contains(" · — without 1 call of unknown price\n"), "{unknown}");
        assert!(!draw("t", &[call(1, None)], &[], &plain(120)).contains('—'), "without prices");
    }

    #[test]
    fn cancelled_and_failed_calls_are_marked_and_counted_once() {
        let mut spans = [
            span(1, 0, "invoke_agent", 0, 10),
            span(2, 1, "chat gpt-4o", 0, 10),
            span(3, 0, "invoke_agent", 10, 20),
            span(4, 3, "chat gpt-4o", 10, 20),
            span(5, 3, "execute_tool look_up", 10, 12),
        ];
        for span in &mut spans[..2] {
            span.cancelled = true;
        }
        for span in &mut spans[2..] {
            span.error = Some("timeout".to_owned());
        }
        for index in [1, 3] {
            spans[index].kind = Kind::ModelCall;
        }
        spans[4].kind = Kind::ToolCall;
        let drawn = draw("t", &spans, &[], &plain(120));
        let header = drawn.lines().next().unwrap();
        assert!(header.ends_with(" · 1 cancelled · 2 errors"), "{drawn}");
        let row = drawn.lines().nth(2).unwrap();
        assert!(row.ends_with("—  ⊘ cancelled"), "tokens are unknown: {drawn}");
        assert_eq!(drawn.matches("⊘ cancelled").count(), 2);
    }

    #[test]
    fn messages_are_drawn_below_the_tree_if_enabled() {
        let messages = [
            Message { role: "user".into(), text: "What should I pack? ".repeat(6) },
            Message { role: "assistant".into(), text: "→ get_weather({})\u{1b}[31m".into() },
        ];
        assert!(!draw("t", &guide(), &messages, &plain(60)).contains("user"));
        let style = plain(60).with_messages(true);
        let drawn = draw("t", &guide(), &messages, &style);
        let below = drawn.split("\n\n").nth(1).unwrap();
        assert!(below.starts_with("     user  What should I pack?"), "{below}");
        assert!(below.contains("\nassistant  → get_weather({})�[31m\n"), "{below}");
        assert!(below.lines().all(|line| line.chars().count() <= 60), "{below}");
    }

    #[test]
    fn errors_are_red_with_colour() {
        let mut spans = guide();
        spans[3].error = Some("timeout".to_owned());
        let drawn = draw("t", &spans, &[], &plain(100));
        assert!(!drawn.contains('\u{1b}'));
        assert!(drawn.contains("✗ timeout"));
        let red = draw("t", &spans, &[], &coloured(100));
        assert_eq!(red.matches("\u{1b}[31m").count(), 2, "in the header and in the row");
    }

    #[test]
    fn invalid_traces_are_drawn() {
        let style = coloured(0);
        assert_eq!(draw("t", &[], &[], &style), "");
        // An end before the start, a missing parent, a name that is too long.
        let invalid = [span(1, 9, &"long ".repeat(50), 500, 100), span(2, 8, "other root", 5, 5)];
        let drawn = draw("", &invalid, &[], &style);
        assert_eq!(drawn.lines().count(), 3);
        assert!(drawn.contains('…'));
        let cyclic = [span(1, 1, "own parent", 0, 1), span(2, 3, "a", 2, 3), span(3, 2, "b", 1, 2)];
        assert_eq!(draw("t", &cyclic, &[], &style).lines().count(), 4);
        let deep: Vec<Facts> = (1..3_000).map(|n| span(n, n - 1, "x", n, n + 1)).collect();
        assert_eq!(draw("t", &deep, &[], &plain(80)).lines().count(), 3_000);
    }

    #[test]
    fn bars_have_a_resolution_below_a_column_and_are_never_empty() {
        let drawn = |total, start, end| {
            let spans = [span(1, 0, "x", start, end)];
            let rows = tree::rows(&spans);
            bar(SystemTime::UNIX_EPOCH, Duration::from_millis(total), &rows[0], 4)
        };
        assert_eq!(drawn(32, 0, 32), "████");
        assert_eq!(drawn(32, 0, 12), "█▌  ");
        assert_eq!(drawn(32, 9, 20), " █▌ ");
        assert_eq!(drawn(32, 7, 16), " █  ");
        assert_eq!(drawn(32, 31, 32), "   ▕");
        // A short bar does not start before its parent.
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
    fn only_model_calls_have_tokens_and_names_contain_no_control_characters() {
        let recorded = record(|tracer| {
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
        let spans: Vec<Facts> =
            recorded.iter().map(|span| Facts::from_span(span, &prices)).collect();
        assert_eq!(spans[0].tokens.label().as_deref(), Some("76 in"));
        assert_eq!(spans[1].tokens.label(), None);
        let drawn = draw("t", &spans, &[], &plain(100));
        assert!(drawn.starts_with("trace t · "), "{drawn}");
        assert!(drawn.contains(" · 2 spans · 76 in · 2 errors\n"), "{drawn}");
        assert!(!drawn.contains(['\u{1b}', '\u{7}']) && !drawn.contains("secret"), "{drawn}");
        assert_eq!(drawn.lines().count(), 3);
    }

    fn record(work: impl FnOnce(&SdkTracer)) -> Vec<SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        work(&provider.tracer("test"));
        exporter.get_finished_spans().unwrap()
    }

    #[test]
    fn long_names_are_shortened_to_leave_room_for_the_axis() {
        let spans = [span(1, 0, &"long ".repeat(50), 0, 8)];
        let drawn = draw("t", &spans, &[], &plain(60));
        assert!(drawn.lines().all(|line| line.chars().count() <= 60), "{drawn}");
        assert!(drawn.contains('…') && drawn.contains("████████████"), "{drawn}");
    }

    #[test]
    fn no_color_overrides_clicolor_force() {
        // Neither a writer nor the standard output of a test is a terminal.
        fn style(pairs: &[(&str, &str)]) -> (bool, usize) {
            let style =
                Style::new(Env::new(&lookup(pairs)), &Output::from_writer(SharedWriter::default()));
            (style.colour, style.width)
        }
        assert_eq!(style(&[]), (false, 100));
        assert_eq!(style(&[("NO_COLOR", ""), ("COLUMNS", "wide")]), (false, 100));
        assert_eq!(style(&[("CLICOLOR_FORCE", "1"), ("COLUMNS", "72")]), (true, 72));
        assert_eq!(style(&[("CLICOLOR_FORCE", "0")]), (false, 100));
        assert_eq!(style(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), (false, 100));
    }
}
