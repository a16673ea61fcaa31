//! The five questions, answered from exported telemetry alone.

use std::collections::{BTreeMap, HashMap};
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
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
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

/// 1: `user.id` is on every span of a conversation.
fn slow(seen: &Telemetry) -> String {
    let mut text = "1. Why is it slow for some users?\n\n".to_owned();
    let users = by(seen.operation("invoke_agent"), |run| run.text("user.id"));
    let users = ranked(users, |durations| durations.quantile(0.95));
    let _ = writeln!(text, "   {:<12} {:>5} {:>9} {:>9}", "user", "runs", "median", "p95");
    for (user, runs) in users.iter().take(3).chain(users.last()) {
        let (median, p95) = (runs.quantile(0.5), runs.quantile(0.95));
        let _ = writeln!(text, "   {user:<12} {:>5} {median:>6.0} ms {p95:>6.0} ms", runs.0.len());
    }
    // What do those who wait have in common, and for what do they wait?
    let houses = by(seen.operation("invoke_agent"), |run| run.text("app.house"));
    let tools = by(seen.operation("execute_tool"), |call| {
        Some((call.text("app.house")?, call.text("gen_ai.tool.name")?))
    });
    for (house, runs) in ranked(houses, |runs| runs.quantile(0.95)) {
        let of_house = tools.iter().filter(|((of, _), _)| *of == house);
        let slowest = of_house.max_by(|(_, a), (_, b)| a.total().total_cmp(&b.total()));
        let Some(((_, tool), calls)) = slowest else { continue };
        let share = 100.0 * calls.total() / runs.total();
        let _ = writeln!(
            text,
            "   house {house}: p95 {:.0} ms; {share:.0} % of all waiting is `{tool}` \
             (median {:.0} ms)",
            runs.quantile(0.95),
            calls.quantile(0.5),
        );
    }
    text
}

/// 2: the operations that others wait for.
fn dominant(seen: &Telemetry) -> String {
    let mut text = "2. Which model calls or tools dominate latency?\n\n".to_owned();
    let all: f64 = seen.operation("invoke_agent").map(|run| run.millis).sum();
    let calls = seen.operation("chat").chain(seen.operation("execute_tool"));
    let _ =
        writeln!(text, "   {:<28} {:>5} {:>6} {:>9} {:>9}", "", "calls", "share", "median", "p95");
    for (name, calls) in ranked(by(calls, |call| Some(call.name.as_str())), Durations::total) {
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
    for span in seen.operation("chat").chain(seen.operation("execute_tool")) {
        if let Some(kind) = span.text("error.type") {
            found.entry((&span.name, kind)).or_default().push(span);
        }
    }
    let ended: Vec<&str> = seen
        .operation("invoke_agent")
        .filter(|run| run.text("error.type").is_some())
        .map(|run| run.id.as_str())
        .collect();
    #[allow(clippy::cast_precision_loss)]
    for ((name, kind), spans) in ranked(found, |spans| spans.len() as f64) {
        let runs = spans.iter().filter(|span| ended.contains(&span.parent.as_str())).count();
        let hours = spans.iter().filter_map(|span| span.number("app.hour"));
        let (first, last) = hours.fold((24.0, 0.0), |(a, b): (f64, f64), h| (a.min(h), b.max(h)));
        let _ = writeln!(
            text,
            "   {:>4} × {kind} in `{name}`, from {first:.0} to {last:.0} o'clock; it ended {runs} runs",
            spans.len(),
        );
    }
    text
}

/// 4: prompts stand on the agent's span while capture is on; verdicts are events in its trace.
fn asked(seen: &Telemetry) -> String {
    let mut text = "4. What do people ask, and are the answers good?\n\n".to_owned();
    let mut scores = HashMap::<&str, f64>::new();
    for verdict in &seen.verdicts {
        scores.insert(&verdict.trace, verdict.score);
    }
    let mut questions = BTreeMap::<String, (usize, Vec<f64>)>::new();
    for run in seen.operation("invoke_agent") {
        let Some(question) = first_words(run) else { continue };
        let (times, verdicts) = questions.entry(question).or_default();
        *times += 1;
        verdicts.extend(scores.get(run.trace.as_str()));
    }
    let _ = writeln!(text, "   {:>5} {:>8} {:>8}  question", "asked", "verdicts", "mean");
    #[allow(clippy::cast_precision_loss)]
    for (question, (times, verdicts)) in ranked(questions, |(times, _)| *times as f64) {
        let mean = verdicts.iter().sum::<f64>() / verdicts.len().max(1) as f64;
        let _ = writeln!(text, "   {times:>5} {:>8} {mean:>8.2}  {question}", verdicts.len());
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
    let _ = writeln!(text, "   in all {sum:.4}");
    text
}
