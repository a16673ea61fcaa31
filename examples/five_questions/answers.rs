//! Answers the five questions from exported telemetry.

#![allow(clippy::cast_precision_loss, reason = "the counts of a day are small")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::export::{Export, Span};

/// The prices of a million input and output tokens, by model.
type Prices<'a> = &'a [(&'a str, f64, f64)];

/// Returns the five answers as text.
pub(crate) fn all(exported: &Export, prices: Prices<'_>) -> String {
    [
        slow_users(exported),
        slow_operations(exported),
        errors(exported),
        questions(exported),
        cost(exported, prices),
    ]
    .join("\n")
}

/// The durations of some spans.
#[derive(Default)]
struct Durations(Vec<f64>);

impl Durations {
    fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Returns a quantile: 0.5 for the median.
    fn quantile(&self, quantile: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = (sorted.len().saturating_sub(1) as f64 * quantile).round() as usize;
        sorted.get(index).copied().unwrap_or_default()
    }
}

/// Groups the durations of spans by a key. Spans without the key are left out.
fn durations_by<'a, K: Ord>(
    spans: impl Iterator<Item = &'a Span>,
    key: impl Fn(&'a Span) -> Option<K>,
) -> BTreeMap<K, Durations> {
    let mut groups = BTreeMap::<K, Durations>::new();
    for span in spans {
        if let Some(key) = key(span) {
            groups.entry(key).or_default().0.push(span.millis);
        }
    }
    groups
}

/// Sorts the entries by size, the largest first.
fn sorted_by_size<K, V>(
    entries: impl IntoIterator<Item = (K, V)>,
    size: impl Fn(&V) -> f64,
) -> Vec<(K, V)> {
    let mut list: Vec<(K, V)> = entries.into_iter().collect();
    list.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
    list
}

/// Question 1. The attributes that the program sets on a `Chat`, such as `user.id`, are on every span
/// of its conversation.
fn slow_users<'a>(exported: &'a Export) -> String {
    let mut text = "1. Why is it slow for some users?\n\n".to_owned();
    let users = durations_by(exported.operation("invoke_agent"), |run| {
        Some((run.text("user.id")?, run.text("app.house")?))
    });
    let users = sorted_by_size(users, |runs| runs.quantile(0.95));
    let _ = writeln!(
        text,
        "   {:<10} {:<10} {:>5} {:>9} {:>9}",
        "user", "house", "runs", "median", "p95"
    );
    for ((user, house), runs) in &users {
        let (median, p95) = (runs.quantile(0.5), runs.quantile(0.95));
        let count = runs.0.len();
        let _ =
            writeln!(text, "   {user:<10} {house:<10} {count:>5} {median:>6.0} ms {p95:>6.0} ms");
    }
    let Some(((_, slowest), _)) = users.first() else { return text };

    // Compare the operations in the slowest house with those elsewhere.
    let is_slowest = |span: &Span| span.text("app.house") == Some(slowest);
    let by_name = |call: &'a Span| Some(call.name.as_str());
    let there = durations_by(exported.calls().filter(|call| is_slowest(call)), by_name);
    let elsewhere = durations_by(exported.calls().filter(|call| !is_slowest(call)), by_name);
    let compared = there.into_iter().map(|(name, calls)| {
        let other = elsewhere.get(name).map_or(0.0, |calls| calls.quantile(0.5));
        (name, (calls.quantile(0.5), other))
    });
    let _ = writeln!(text, "\n   {:<28} {:>9} {:>9}", "operation (median)", slowest, "elsewhere");
    for (name, (median, other)) in sorted_by_size(compared, |(median, other)| median - other) {
        let _ = writeln!(text, "   {name:<28} {median:>6.0} ms {other:>6.0} ms");
    }
    text
}

/// Question 2. Every model call and tool call is a span.
fn slow_operations(exported: &Export) -> String {
    let mut text = "2. Which model calls or tools dominate latency?\n\n".to_owned();
    let total: f64 = exported.operation("invoke_agent").map(|run| run.millis).sum();
    let _ = writeln!(
        text,
        "   {:<28} {:>5} {:>6} {:>9} {:>9}",
        "operation", "calls", "share", "median", "p95"
    );
    let operations = durations_by(exported.calls(), |call| Some(call.name.as_str()));
    for (name, calls) in sorted_by_size(operations, Durations::total) {
        let share = 100.0 * calls.total() / total;
        let (median, p95) = (calls.quantile(0.5), calls.quantile(0.95));
        let count = calls.0.len();
        let _ = writeln!(
            text,
            "   {name:<28} {count:>5} {share:>4.0} % {median:>6.0} ms {p95:>6.0} ms"
        );
    }
    text
}

/// Question 3. `error.type` is on the span where the error occurred, and on the run that it ended.
fn errors(exported: &Export) -> String {
    let mut text = "3. Where do errors come from?\n\n".to_owned();
    let mut found = BTreeMap::<(&str, &str), Vec<&Span>>::new();
    for span in exported.calls() {
        if let Some(kind) = span.text("error.type") {
            found.entry((&span.name, kind)).or_default().push(span);
        }
    }
    let failed_runs: HashSet<&str> = exported
        .operation("invoke_agent")
        .filter(|run| run.text("error.type").is_some())
        .map(|run| run.id.as_str())
        .collect();
    let _ = writeln!(
        text,
        "   {:>5} {:>10} {:>8}  {:<24} error",
        "count", "ended runs", "o'clock", "operation"
    );
    for ((name, kind), spans) in sorted_by_size(found, |spans| spans.len() as f64) {
        let runs =
            spans.iter().filter(|span| failed_runs.contains(span.parent_id.as_str())).count();
        let hours = spans.iter().filter_map(|span| span.number("app.hour"));
        let (first, last) = hours.fold((24.0, 0.0), |(a, b): (f64, f64), h| (a.min(h), b.max(h)));
        let hours = format!("{first:.0} to {last:.0}");
        let count = spans.len();
        let _ = writeln!(text, "   {count:>5} {runs:>10} {hours:>8}  {name:<24} {kind}");
    }
    text
}

/// Question 4. With capture on, the prompts are on the `invoke_agent` spans. Feedback is recorded as an
/// event in the trace of the answer.
fn questions(exported: &Export) -> String {
    let mut text = "4. What do people ask, and are the answers good?\n\n".to_owned();
    let scores: HashMap<&str, f64> =
        exported.feedback.iter().map(|event| (event.trace_id.as_str(), event.score)).collect();
    let mut questions = BTreeMap::<String, (usize, Vec<f64>)>::new();
    for run in exported.operation("invoke_agent") {
        let Some(question) = first_user_message(run) else { continue };
        let (count, ratings) = questions.entry(question).or_default();
        *count += 1;
        ratings.extend(scores.get(run.trace_id.as_str()));
    }
    let _ = writeln!(text, "   {:>5} {:>8} {:>6}  question", "count", "ratings", "mean");
    for (question, (count, ratings)) in sorted_by_size(questions, |(count, _)| *count as f64) {
        let rated = ratings.len();
        let mean = ratings.iter().sum::<f64>() / rated.max(1) as f64;
        let _ = writeln!(text, "   {count:>5} {rated:>8} {mean:>6.2}  {question}");
    }
    text
}

/// Returns the first user message of a run.
fn first_user_message(run: &Span) -> Option<String> {
    let messages: Value = serde_json::from_str(run.text("gen_ai.input.messages")?).ok()?;
    let message = messages.as_array()?.iter().find(|message| message["role"] == "user")?;
    Some(message["parts"][0]["content"].as_str()?.to_owned())
}

/// Question 5. The token usage is on the span of each model call.
fn cost(exported: &Export, prices: Prices<'_>) -> String {
    let mut text = "5. What does it cost?\n\n".to_owned();
    let mut tokens = BTreeMap::<(&str, &str), (f64, f64)>::new();
    for call in exported.operation("chat") {
        let Some(model) = call.text("gen_ai.request.model") else { continue };
        let house = call.text("app.house").unwrap_or("unknown");
        let (input, output) = tokens.entry((model, house)).or_default();
        *input += call.number("gen_ai.usage.input_tokens").unwrap_or_default();
        *output += call.number("gen_ai.usage.output_tokens").unwrap_or_default();
    }
    let mut total = 0.0;
    let _ =
        writeln!(text, "   {:<10} {:<10} {:>9} {:>9} {:>9}", "model", "house", "in", "out", "cost");
    for ((model, house), (input, output)) in tokens {
        let Some((_, price_in, price_out)) = prices.iter().find(|(name, ..)| *name == model) else {
            let _ = writeln!(text, "   {model:<10} {house:<10} {input:>9} {output:>9}  no price");
            continue;
        };
        let cost = (input * price_in + output * price_out) / 1e6;
        total += cost;
        let _ = writeln!(text, "   {model:<10} {house:<10} {input:>9} {output:>9} {cost:>9.4}");
    }
    let _ = writeln!(text, "   {:<41} {total:>9.4}", "total");
    text
}
