//! Arranges the spans of a trace as a tree of rows, with runs of similar siblings as one row.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::SpanId;

use crate::facts::Facts;
use crate::tokens::Tokens;

/// The maximum number of levels that are indented. Deeper spans have the indentation of the last.
const MAX_INDENT: usize = 30;
/// The minimum number of similar consecutive siblings that are combined into one row.
const MIN_SIMILAR: usize = 4;

/// One row of the tree: a span, or several similar ones.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// The lines of the tree before the name.
    pub(crate) branch: String,
    pub(crate) first: &'a Facts,
    /// The number of spans in this row.
    pub(crate) count: usize,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    /// The sum of the durations, and the longest one.
    pub(crate) total: Duration,
    pub(crate) longest: Duration,
    pub(crate) tokens: Tokens,
    pub(crate) cost: Option<f64>,
    /// The number of model calls whose cost is unknown.
    pub(crate) without_cost: usize,
}

impl<'a> Row<'a> {
    fn new(branch: String, spans: &[&'a Facts], first: &'a Facts) -> Self {
        let durations = spans.iter().map(|span| span.duration());
        Self {
            branch,
            first,
            count: spans.len(),
            start: spans.iter().map(|span| span.start).min().unwrap_or(first.start),
            end: spans.iter().map(|span| span.end).max().unwrap_or(first.end),
            total: durations.clone().fold(Duration::ZERO, Duration::saturating_add),
            longest: durations.max().unwrap_or_default(),
            tokens: spans.iter().fold(Tokens::default(), |sum, span| sum.plus(span.tokens)),
            cost: spans.iter().filter_map(|span| span.cost).reduce(|a, b| a + b),
            without_cost: spans.iter().filter(|span| span.has_unknown_cost()).count(),
        }
    }
}

/// Returns the rows: parents before children, siblings by start time. A span whose parent is
/// missing is a root.
pub(crate) fn rows(spans: &[Facts]) -> Vec<Row<'_>> {
    let mut children = children_by_parent(spans);
    let shapes = shapes(&children);
    // A stack instead of recursion, because a trace may be deep.
    let mut rows = Vec::new();
    let mut pending = vec![];
    let roots = children.remove(&None).unwrap_or_default();
    for group in group_similar(&roots, &shapes).into_iter().rev() {
        pending.push((group, String::new(), String::new(), 0));
    }
    while let Some((group, branch, indent, level)) = pending.pop() {
        let Some(&first) = group.first() else { continue };
        // The children of similar spans are similar, too, and form groups of their own.
        let mut lists =
            group.iter().map(|span| children.remove(&Some(span.id)).unwrap_or_default());
        let groups: Vec<Vec<&Facts>> = if group.len() == 1 {
            group_similar(&lists.next().unwrap_or_default(), &shapes)
        } else {
            transpose(&lists.collect::<Vec<_>>())
        };
        for (index, group) in groups.into_iter().rev().enumerate() {
            let (fork, rest) =
                if index == 0 { ("└── ", "    ") } else { ("├── ", "│   ") };
            let rest = if level < MAX_INDENT { rest } else { "" };
            pending.push((group, format!("{indent}{fork}"), format!("{indent}{rest}"), level + 1));
        }
        rows.push(Row::new(branch, &group, first));
    }
    // Spans that are each other's ancestors have no root. Such traces are invalid; their spans are
    // shown at the end.
    let mut cyclic: Vec<&Facts> = children.into_values().flatten().collect();
    cyclic.sort_by_key(|span| (span.start, span.end));
    rows.extend(cyclic.into_iter().map(|span| Row::new(String::new(), &[span], span)));
    rows
}

type Children<'a> = HashMap<Option<SpanId>, Vec<&'a Facts>>;

fn children_by_parent(spans: &[Facts]) -> Children<'_> {
    let ids: HashSet<SpanId> = spans.iter().map(|span| span.id).collect();
    let mut children: Children<'_> = HashMap::new();
    for span in spans {
        let parent = ids.contains(&span.parent).then_some(span.parent);
        children.entry(parent).or_default().push(span);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|span| (span.start, span.end));
    }
    children
}

/// Returns a number for each span. Spans with the same number are similar: they and their
/// descendants have the same names and results.
fn shapes(children: &Children<'_>) -> HashMap<SpanId, usize> {
    // Breadth first, to be visited in reverse: children before parents.
    let mut order: Vec<&Facts> = children.get(&None).cloned().unwrap_or_default();
    let mut next = 0;
    while let Some(span) = order.get(next).copied() {
        order.extend(children.get(&Some(span.id)).into_iter().flatten());
        next += 1;
    }
    let mut shapes = HashMap::new();
    let mut numbers = HashMap::new();
    for span in order.into_iter().rev() {
        let below = children.get(&Some(span.id)).into_iter().flatten();
        let below: Vec<usize> = below.filter_map(|child| shapes.get(&child.id).copied()).collect();
        let unused = numbers.len();
        let shape = (span.name.as_str(), span.error.as_deref(), span.cancelled, below);
        shapes.insert(span.id, *numbers.entry(shape).or_insert(unused));
    }
    shapes
}

/// Groups consecutive similar siblings. Runs shorter than [`MIN_SIMILAR`] are not combined.
fn group_similar<'a>(
    siblings: &[&'a Facts],
    shapes: &HashMap<SpanId, usize>,
) -> Vec<Vec<&'a Facts>> {
    let runs = siblings.chunk_by(|a, b| shapes.get(&a.id) == shapes.get(&b.id));
    let mut groups = Vec::new();
    for run in runs {
        if run.len() >= MIN_SIMILAR {
            groups.push(run.to_vec());
        } else {
            groups.extend(run.iter().map(|span| vec![*span]));
        }
    }
    groups
}

/// Returns the first spans of all lists, the second ones of all lists, and so on.
fn transpose<'a>(lists: &[Vec<&'a Facts>]) -> Vec<Vec<&'a Facts>> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .map(|index| lists.iter().filter_map(|list| list.get(index).copied()).collect())
        .collect()
}
