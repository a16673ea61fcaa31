//! The spans of a trace as a tree: who is below whom, and which siblings are alike.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::SpanId;

use super::facts::{Facts, Tokens};

/// The levels of the tree that are set off from each other. What is deeper stands at the last.
const MOST_LEVELS: usize = 30;
/// The fewest siblings in a row that are drawn as one, where they are alike.
const FEWEST_ALIKE: usize = 4;

/// One line of the tree: a span, or several that are alike.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// The lines before its name.
    pub(super) branch: String,
    pub(super) first: &'a Facts,
    /// How many spans it stands for.
    pub(super) count: usize,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    /// What they took, all together, and the longest of them.
    pub(super) sum: Duration,
    pub(super) longest: Duration,
    pub(super) tokens: Tokens,
    pub(super) cost: Option<f64>,
}

impl<'a> Row<'a> {
    fn of(branch: String, alike: &[&'a Facts], first: &'a Facts) -> Self {
        let durations = alike.iter().map(|span| span.duration());
        Self {
            branch,
            first,
            count: alike.len(),
            start: alike.iter().map(|span| span.start).min().unwrap_or(first.start),
            end: alike.iter().map(|span| span.end).max().unwrap_or(first.end),
            sum: durations.clone().fold(Duration::ZERO, Duration::saturating_add),
            longest: durations.max().unwrap_or_default(),
            tokens: alike.iter().fold(Tokens::default(), |sum, span| sum.and(span.tokens)),
            cost: alike.iter().filter_map(|span| span.cost).reduce(|a, b| a + b),
        }
    }
}

/// Parents before children, siblings by their start; those that are alike in a row as one. Who has
/// no parent here is a root.
pub(super) fn rows(spans: &[Facts]) -> Vec<Row<'_>> {
    let mut below = children(spans);
    let shapes = shapes(&below);
    // A stack instead of recursion: a trace may be deep.
    let mut rows = Vec::new();
    let mut open = vec![];
    let roots = below.remove(&None).unwrap_or_default();
    for group in alike(&roots, &shapes).into_iter().rev() {
        open.push((group, String::new(), String::new(), 0));
    }
    while let Some((group, branch, indent, level)) = open.pop() {
        let Some(&first) = group.first() else { continue };
        // Of spans that are alike, the children are alike, too: they stand together below.
        let mut together =
            group.iter().map(|span| below.remove(&Some(span.id)).unwrap_or_default());
        let groups: Vec<Vec<&Facts>> = if group.len() == 1 {
            alike(&together.next().unwrap_or_default(), &shapes)
        } else {
            transposed(&together.collect::<Vec<_>>())
        };
        for (place, children) in groups.into_iter().rev().enumerate() {
            let (fork, rest) =
                if place == 0 { ("└── ", "    ") } else { ("├── ", "│   ") };
            let rest = if level < MOST_LEVELS { rest } else { "" };
            open.push((children, format!("{indent}{fork}"), format!("{indent}{rest}"), level + 1));
        }
        rows.push(Row::of(branch, &group, first));
    }
    // Spans that are each other's parents hang on no root. They are no trace, and shown all the same.
    let mut lost: Vec<&Facts> = below.into_values().flatten().collect();
    lost.sort_by_key(|span| (span.start, span.end));
    rows.extend(lost.into_iter().map(|span| Row::of(String::new(), &[span], span)));
    rows
}

type Children<'a> = HashMap<Option<SpanId>, Vec<&'a Facts>>;

fn children(spans: &[Facts]) -> Children<'_> {
    let known: HashSet<SpanId> = spans.iter().map(|span| span.id).collect();
    let mut below: Children<'_> = HashMap::new();
    for span in spans {
        let parent = known.contains(&span.parent).then_some(span.parent);
        below.entry(parent).or_default().push(span);
    }
    for siblings in below.values_mut() {
        siblings.sort_by_key(|span| (span.start, span.end));
    }
    below
}

/// A number for each span, the same for spans that are alike with all that is below them.
fn shapes(below: &Children<'_>) -> HashMap<SpanId, usize> {
    // Children before parents.
    let mut order: Vec<&Facts> = below.get(&None).cloned().unwrap_or_default();
    let mut next = 0;
    while let Some(span) = order.get(next).copied() {
        order.extend(below.get(&Some(span.id)).into_iter().flatten());
        next += 1;
    }
    let mut shapes = HashMap::new();
    let mut numbers: HashMap<(&str, Option<&str>, Vec<usize>), usize> = HashMap::new();
    for span in order.into_iter().rev() {
        let children = below.get(&Some(span.id)).into_iter().flatten();
        let children = children.filter_map(|child| shapes.get(&child.id).copied()).collect();
        let fresh = numbers.len();
        let shape = (span.name.as_str(), span.error.as_deref(), children);
        shapes.insert(span.id, *numbers.entry(shape).or_insert(fresh));
    }
    shapes
}

/// Siblings in groups: each alone, unless enough in a row are alike.
fn alike<'a>(siblings: &[&'a Facts], shapes: &HashMap<SpanId, usize>) -> Vec<Vec<&'a Facts>> {
    let runs = siblings.chunk_by(|a, b| shapes.get(&a.id) == shapes.get(&b.id));
    let mut groups = Vec::new();
    for run in runs {
        if run.len() >= FEWEST_ALIKE {
            groups.push(run.to_vec());
        } else {
            groups.extend(run.iter().map(|span| vec![*span]));
        }
    }
    groups
}

/// The first children of all, the second ones of all, and so on.
fn transposed<'a>(lists: &[Vec<&'a Facts>]) -> Vec<Vec<&'a Facts>> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .map(|place| lists.iter().filter_map(|list| list.get(place).copied()).collect())
        .collect()
}
