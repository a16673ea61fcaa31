//! The five questions, answered from exported telemetry alone.

#![allow(clippy::cast_precision_loss, reason = "what a day counts is small")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::telemetry::{Span, Telemetry};

/// What a million tokens cost, in and out, by model.
type Prices<'a> = &'a [(&'a str, f64, f64)];

/// All five, as text.
pub(crate) fn all(seen: &Telemetry, prices: Prices<'_>) -> String {
    [slow(seen), dominant(seen), errors(seen), asked(seen), cost(seen, prices)].join("\n")
}

/// The durations of some spans.
#[derive(Default)]
struct Durations(Vec<f64>);

impl Durations {
    fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    /// The duration below which that share of them is.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let place = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
        sorted.get(place).copied().unwrap_or_default()
    }
}

fn by<'a, K: Ord>(
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

/// The entries, the greatest first.
fn ranked<K, V>(
    entries: impl IntoIterator<Item = (K, V)>,
    size: impl Fn(&V) -> f64,
) -> Vec<(K, V)> {
    let mut list: Vec<(K, V)> = entries.into_iter().collect();
    list.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
    list
}

/// 1: `user.id` is on every span of a conversation, and so is all else that the program says of it.
fn slow(seen: &Telemetry) -> String {
    let mut text = "1. Why is it slow for some users?\n\n".to_owned();
    let users = by(seen.operation("invoke_agent"), |run| {
        Some((run.text("user.id")?, run.text("app.house")?))
    });
    let users = ranked(users, |runs| runs.quantile(0.95));
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

    // What do those who wait wait for that others do not?
    let here = |span: &Span| span.text("app.house") == Some(slowest);
    let there = by(seen.calls().filter(|call| here(call)), |call| Some(call.name.as_str()));
    let elsewhere = by(seen.calls().filter(|call| !here(call)), |call| Some(call.name.as_str()));
    let compared = there.into_iter().map(|(name, calls)| {
        let other = elsewhere.get(name).map_or(0.0, |calls| calls.quantile(0.5));
        (name, (calls.quantile(0.5), other))
    });
    let _ = writeln!(text, "\n   {:<28} {:>9} {:>9}", "operation (median)", slowest, "elsewhere");
    for (name, (median, other)) in ranked(compared, |(median, other)| median - other) {
        let _ = writeln!(text, "   {name:<28} {median:>6.0} ms {other:>6.0} ms");
    }
    text
}

/// 2: the operations that others wait for.
fn dominant(seen: &Telemetry) -> String {
    let mut text = "2. Which model calls or tools dominate latency?\n\n".to_owned();
    let all: f64 = seen.operation("invoke_agent").map(|run| run.millis).sum();
    let _ = writeln!(
        text,
        "   {:<28} {:>5} {:>6} {:>9} {:>9}",
        "operation", "calls", "share", "median", "p95"
    );
    let operations = by(seen.calls(), |call| Some(call.name.as_str()));
    for (name, calls) in ranked(operations, Durations::total) {
        let share = 100.0 * calls.total() / all;
        let (median, p95) = (calls.quantile(0.5), calls.quantile(0.95));
        let count = calls.0.len();
        let _ = writeln!(
            text,
            "   {name:<28} {count:>5} {share:>4.0} % {median:>6.0} ms {p95:>6.0} ms"
        );
    }
    text
}

/// 3: an error stands on the span where it happened, and on the run that it ended.
fn errors(seen: &Telemetry) -> String {
    let mut text = "3. Where do errors come from?\n\n".to_owned();
    let mut found = BTreeMap::<(&str, &str), Vec<&Span>>::new();
    for span in seen.calls() {
        if let Some(kind) = span.text("error.type") {
            found.entry((&span.name, kind)).or_default().push(span);
        }
    }
    let ended: HashSet<&str> = seen
        .operation("invoke_agent")
        .filter(|run| run.text("error.type").is_some())
        .map(|run| run.id.as_str())
        .collect();
    let _ = writeln!(
        text,
        "   {:>5} {:>10} {:>8}  {:<24} error",
        "times", "ended runs", "o'clock", "place"
    );
    for ((name, kind), spans) in ranked(found, |spans| spans.len() as f64) {
        let runs = spans.iter().filter(|span| ended.contains(span.parent.as_str())).count();
        let hours = spans.iter().filter_map(|span| span.number("app.hour"));
        let (first, last) = hours.fold((24.0, 0.0), |(a, b): (f64, f64), h| (a.min(h), b.max(h)));
        let hours = format!("{first:.0} to {last:.0}");
        let times = spans.len();
        let _ = writeln!(text, "   {times:>5} {runs:>10} {hours:>8}  {name:<24} {kind}");
    }
    text
}

/// 4: prompts stand on the agent's span while capture is on; verdicts are events in its trace.
fn asked(seen: &Telemetry) -> String {
    let mut text = "4. What do people ask, and are the answers good?\n\n".to_owned();
    let scores: HashMap<&str, f64> =
        seen.verdicts.iter().map(|verdict| (verdict.trace.as_str(), verdict.score)).collect();
    let mut questions = BTreeMap::<String, (usize, Vec<f64>)>::new();
    for run in seen.operation("invoke_agent") {
        let Some(question) = first_words(run) else { continue };
        let (times, verdicts) = questions.entry(question).or_default();
        *times += 1;
        verdicts.extend(scores.get(run.trace.as_str()));
    }
    let _ = writeln!(text, "   {:>5} {:>8} {:>6}  question", "asked", "verdicts", "mean");
    for (question, (times, verdicts)) in ranked(questions, |(times, _)| *times as f64) {
        let count = verdicts.len();
        let mean = verdicts.iter().sum::<f64>() / count.max(1) as f64;
        let _ = writeln!(text, "   {times:>5} {count:>8} {mean:>6.2}  {question}");
    }
    text
}

/// What a person said first.
fn first_words(run: &Span) -> Option<String> {
    let messages: Value = serde_json::from_str(run.text("gen_ai.input.messages")?).ok()?;
    let of_person = messages.as_array()?.iter().find(|message| message["role"] == "user")?;
    Some(of_person["parts"][0]["content"].as_str()?.to_owned())
}

/// 5: tokens stand on the span of each model call.
fn cost(seen: &Telemetry, prices: Prices<'_>) -> String {
    let mut text = "5. What does it cost?\n\n".to_owned();
    let mut tokens = BTreeMap::<(&str, &str), (f64, f64)>::new();
    for call in seen.operation("chat") {
        let Some(model) = call.text("gen_ai.request.model") else { continue };
        let house = call.text("app.house").unwrap_or("unknown");
        let (input, output) = tokens.entry((model, house)).or_default();
        *input += call.number("gen_ai.usage.input_tokens").unwrap_or_default();
        *output += call.number("gen_ai.usage.output_tokens").unwrap_or_default();
    }
    let mut sum = 0.0;
    let _ =
        writeln!(text, "   {:<10} {:<10} {:>9} {:>9} {:>9}", "model", "house", "in", "out", "cost");
    for ((model, house), (input, output)) in tokens {
        let Some((_, price_in, price_out)) = prices.iter().find(|(name, ..)| *name == model) else {
            let _ = writeln!(text, "   {model:<10} {house:<10} {input:>9} {output:>9}  no price");
            continue;
        };
        let cost = (input * price_in + output * price_out) / 1e6;
        sum += cost;
        let _ = writeln!(text, "   {model:<10} {house:<10} {input:>9} {output:>9} {cost:>9.4}");
    }
    let _ = writeln!(text, "   {:<41} {sum:>9.4}", "in all");
    text
}
