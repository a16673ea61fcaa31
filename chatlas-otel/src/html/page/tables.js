// The tables of models, tools, errors and feedback, sorted by the clicked column.
const sorted = new Map();

function table(id, columns, items, emptyText) {
  const section = $(id);
  if (!items.length) { section.replaceChildren(el("div", "empty", emptyText)); return; }
  if (!sorted.has(id)) sorted.set(id, { column: columns.findIndex((column) => column.first), descending: true });
  const order = sorted.get(id);
  const value = columns[order.column].value;
  // Unknown values are last in either direction.
  const compare = (a, b) => (a === undefined ? 1 : b === undefined ? -1 : (a < b ? -1 : a > b ? 1 : 0) * (order.descending ? -1 : 1));
  const shown = [...items].sort((a, b) => compare(value(a), value(b))).slice(0, 1000);
  const top = el("tr");
  columns.forEach((column, index) => {
    const current = index === order.column;
    const sort = () => { order.descending = current ? !order.descending : true; order.column = index; table(id, columns, items, emptyText); };
    top.append(attributes(el("th", column.number ? "number" : "", button("", column.title + (current ? (order.descending ? " ↓" : " ↑") : ""), sort)), {
      scope: "col", "aria-sort": current ? (order.descending ? "descending" : "ascending") : undefined,
    }));
  });
  const lines = shown.map((item) => el("tr", "", ...columns.map((column) => {
    const cell = el("td", `${column.number ? "number" : ""}${column.bad?.(item) ? " error" : ""}`, (column.show || column.value)(item) ?? UNKNOWN);
    return cell;
  })));
  const more = items.length > shown.length ? el("p", "faint", `The first ${integer(shown.length)} of ${integer(items.length)}.`) : "";
  section.replaceChildren(attributes(el("div", "wide", el("table", "sortable", top, ...lines)), { tabindex: 0, role: "group", "aria-label": "Table" }), more);
}

function statistics(list, key) {
  const groups = new Map();
  for (const item of list) append(groups, key(item), item);
  const quantile = (values, share) => (values.length ? values[Math.min(values.length - 1, Math.floor(values.length * share))] : undefined);
  const numbers = (items, value) => items.map(value).filter((number) => number !== undefined).sort((a, b) => a - b);
  return [...groups].map(([name, items]) => {
    const times = numbers(items, (item) => (item.running ? undefined : item.duration));
    return {
      name, items, count: items.length, errors: items.filter((item) => item.error !== undefined).length, cancelled: items.filter(isCancelled).length,
      total: sum(times, (time) => time), median: quantile(times, 0.5), p95: quantile(times, 0.95), longest: times[times.length - 1],
      firstChunk: quantile(numbers(items, (item) => item.firstChunk), 0.5), usage: usage(items),
    };
  });
}

const number = (title, value, show, more) => ({ title, value, show: (item) => show(value(item)), number: true, ...more });
const common = [
  number("Calls", (item) => item.count, integer),
  number("Errors", (item) => item.errors, integer, { bad: (item) => item.errors > 0 }),
  number("Cancelled", (item) => item.cancelled, integer),
  number("Total time", (item) => item.total, duration, { first: true }),
  number("Median", (item) => item.median, duration),
  number("95th percentile", (item) => item.p95, duration),
  number("Longest", (item) => item.longest, duration),
];

function spansOf(kind) {
  return ordered.flatMap((trace) => trace.spans.filter((span) => span.kind === kind));
}

const drawTab = {
  models() {
    table("models", [
      { title: "Model", value: (item) => item.name }, ...common,
      number("Median time to first chunk", (item) => item.firstChunk, duration),
      number("Input tokens", (item) => item.usage.input, integer), number("Cached tokens", (item) => item.usage.cached, integer),
      number("Output tokens", (item) => item.usage.output, integer),
      ...(head.priced ? [number("Cost", (item) => item.usage.cost, money)] : []),
      { title: "Not in the totals", value: (item) => leftOut(item.usage) || undefined },
    ], statistics(spansOf("chat"), (call) => call.model), "No model calls.");
  },
  tools() {
    table("tools", [{ title: "Tool", value: (item) => item.name }, ...common], statistics(spansOf("tool"), (call) => call.tool || call.name), "No tool calls.");
  },
  errors() {
    const failures = ordered.flatMap((trace) => trace.failures);
    const lastOf = (item) => item.items.reduce((a, b) => (a.start > b.start ? a : b));
    table("errors", [
      { title: "Error", value: (item) => item.items[0].error, bad: () => true }, { title: "Span", value: (item) => item.items[0].name },
      number("Count", (item) => item.count, integer, { first: true }),
      { title: "Last", value: (item) => lastOf(item).start, show: (item) => traceLink(lastOf(item).trace, lastOf(item).id, moment(lastOf(item).start)) },
      { title: "Description", value: (item) => lastOf(item).description },
    ], statistics(failures, (span) => `${span.error}\n${span.name}`), "No errors.");
  },
  feedback() {
    table("feedback", [
      { title: "Time", value: (item) => item.at, show: (item) => moment(item.at), first: true }, { title: "Name", value: (item) => item.name },
      { title: "Value", value: (item) => item.score ?? item.label, show: feedbackMark }, { title: "Explanation", value: (item) => item.explanation },
      { title: "Trace", value: (item) => item.trace, show: (item) => (traces.has(item.trace) ? traceLink(item.trace, item.id, titleOf(traces.get(item.trace)).slice(0, 80)) : item.trace.slice(0, 8)) },
    ], feedback, "No feedback.");
  },
};

function traceLink(id, spanId, label) {
  return button("link", label, () => { const trace = traces.get(id); showTab("traces"); open(trace, trace.byId.get(spanId)); });
}

function drawTotals() {
  const calls = spansOf("chat");
  const used = usage(calls);
  const spans = ordered.reduce((count, trace) => count + trace.spans.length, 0);
  const failures = ordered.reduce((count, trace) => count + trace.failures.length, 0);
  const cancelled = ordered.filter((trace) => trace.cancelled).length;
  const note = (content) => (content ? el("small", "", content) : "");
  $("totals").replaceChildren(...[
    ["Traces", integer(ordered.length)], ["Spans", integer(spans)], ["Model calls", integer(calls.length)], ["Tool calls", integer(spansOf("tool").length)],
    ["Input tokens", integer(used.input) + (used.cached ? ` (${integer(used.cached)} cached)` : ""), used.unmeasured && `${plural(used.unmeasured, "call")} without usage`],
    ["Output tokens", integer(used.output)],
    ...(head.priced ? [["Cost", money(used.cost), used.unpriced && `${plural(used.unpriced, "call")} without a price`]] : []),
    ["Errors", integer(failures), cancelled && `${integer(cancelled)} cancelled`, failures > 0],
  ].map(([title, content, more, bad]) => el("div", bad ? "bad" : "", el("dt", "", title), el("dd", "", content, note(more)))));
}
