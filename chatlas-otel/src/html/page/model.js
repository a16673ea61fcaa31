// The data: spans, traces as trees, what they cost, what failed, what people said about them.
let head = { service: "", currency: "", priced: false, dropped: 0 };
const traces = new Map();
/** All evaluations: { trace, id, name, score, label, explanation, at }. */
let feedback = [];
/** Traces that have changed since the last update. */
const changed = new Set();
/** The traces in the order of their start, newest first. */
let ordered = [];

const newest = () => ordered[0]?.start ?? 0;
const text = (span, key) => { const value = span.attributes[key]; return value === undefined || value === "" ? undefined : String(value); };
const operation = (span) => text(span, "gen_ai.operation.name");

/** The kind of a span, which has a colour. Operations without one of their own are "other". */
function kindOf(span) {
  if (span.kind !== "other") return span.kind;
  if ("gen_ai.evaluation.name" in span.attributes) return "evaluation";
  const name = operation(span) || "";
  if (/retriev|embed|memor|search|rerank/.test(name)) return "data";
  return /agent|workflow|plan/.test(name) ? "agent" : "other";
}

function addSpan(span) {
  span.kind = kindOf(span);
  span.children = [];
  const judged = span.kind === "evaluation" && judgedBy(span);
  if (judged) {
    if (!span.running) keepEvaluation(judged.trace, judged.id, span.attributes, span.start);
    // It is shown with the judged trace, unless it is part of another one.
    if (!span.id || (judged.trace !== span.trace && !span.parent)) return;
  }
  let trace = traces.get(span.trace);
  if (!trace) traces.set(span.trace, trace = { id: span.trace, byId: new Map(), feedback: [] });
  trace.byId.set(span.id, span);
  changed.add(trace);
  for (const event of span.events || []) {
    if ("gen_ai.evaluation.name" in event.attributes) keepEvaluation(span.trace, span.id, event.attributes, span.start + event.at);
  }
}

/** Returns the span that an evaluation judges: the linked one, else its parent. */
const judgedBy = (span) => span.links?.[0] ?? (span.parent ? { trace: span.trace, id: span.parent } : undefined);

function keepEvaluation(trace, id, from, at) {
  const part = (name) => from[`gen_ai.evaluation.${name}`];
  feedback.push({ trace, id, at, name: String(part("name")), score: part("score.value"), label: part("score.label"), explanation: part("explanation") });
  const judged = traces.get(trace);
  if (judged) changed.add(judged);
}

/** Derives the trees and totals of the traces that have changed. */
function update() {
  const byTrace = new Map();
  for (const item of feedback) append(byTrace, item.trace, item);
  for (const trace of changed) {
    if (!traces.has(trace.id)) continue;
    trace.feedback = byTrace.get(trace.id) || [];
    derive(trace);
  }
  changed.clear();
  // Feedback may arrive before the trace that it judges.
  for (const [id, items] of byTrace) { const trace = traces.get(id); if (trace) trace.feedback = items; }
  ordered = [...traces.values()].sort((a, b) => b.start - a.start);
}

const inOrder = (a, b) => a.start - b.start || b.duration - a.duration;

function derive(trace) {
  const spans = trace.spans = [...trace.byId.values()];
  const now = Date.now() * 1000;
  for (const span of spans) {
    if (span.running) span.duration = Math.max(0, now - span.start);
    span.children = [];
    span.above = undefined;
  }
  trace.roots = [];
  for (const span of spans) {
    const parent = trace.byId.get(span.parent);
    if (parent && parent !== span) { parent.children.push(span); span.above = parent; } else trace.roots.push(span);
  }
  const sequence = inSequence(trace);
  for (const span of spans) if (span.children.length > 1) span.children.sort(inOrder);
  trace.roots.sort(inOrder);
  trace.start = spans.reduce((min, span) => Math.min(min, span.start), Infinity);
  trace.end = spans.reduce((max, span) => Math.max(max, span.start + span.duration), 0);
  trace.calls = spans.filter((span) => span.kind === "chat");
  trace.usage = usage(trace.calls);
  trace.failures = countFailures(sequence);
  trace.running = spans.some((span) => span.running);
  trace.cancelled = spans.some(isCancelled);
  trace.failed = trace.roots.some((span) => span.error !== undefined);
  const values = (...keys) => [...new Set(spans.flatMap((span) => keys.map((key) => text(span, key)).filter(Boolean)))];
  trace.user = values("user.id", "enduser.id")[0];
  trace.session = values("session.id")[0];
  trace.conversation = values("gen_ai.conversation.id")[0];
  trace.agents = values("gen_ai.agent.name");
  trace.models = [...new Set(trace.calls.map((call) => call.model).filter(Boolean))];
  trace.title = trace.question = trace.haystack = undefined;
}

/** Returns the spans with parents before children. Spans that are each other's ancestors become roots. */
function inSequence(trace) {
  const sequence = [];
  const reached = new Set();
  const walk = (root) => {
    const stack = [root];
    while (stack.length) {
      const span = stack.pop();
      if (reached.has(span)) continue;
      reached.add(span);
      sequence.push(span);
      stack.push(...span.children);
    }
  };
  trace.roots.forEach(walk);
  if (sequence.length === trace.spans.length) return sequence;
  for (const span of trace.spans) {
    if (reached.has(span)) continue;
    span.above.children = span.above.children.filter((child) => child !== span);
    span.above = undefined;
    trace.roots.push(span);
    walk(span);
  }
  return sequence;
}

const isCancelled = (span) => span.attributes["chatlas.cancelled"] === true || span.attributes["chatlas.cancelled"] === "true";

/** Returns the spans whose failures are counted: a failure that ends its parents is one failure, and an HTTP attempt
 *  is part of its call. */
function countFailures(sequence) {
  const failures = [];
  // The error types of the counted failures below each span.
  const below = new Map();
  const inCall = (span) => {
    for (let above = span.above; above; above = above.above) if (above.kind === "chat" || above.error !== undefined) return true;
    return false;
  };
  for (let index = sequence.length - 1; index >= 0; index--) {
    const span = sequence[index];
    const types = below.get(span);
    let counted = span.error !== undefined;
    if (counted && span.kind === "http") counted = !inCall(span);
    // An agent may also fail for a reason of its own, such as too many rounds.
    else if (counted && types) counted = span.kind === "agent" && !types.has(span.error);
    if (counted) failures.push(span);
    if (span.above && (counted || types)) {
      const above = below.get(span.above) || new Set();
      below.set(span.above, above);
      if (counted) above.add(span.error);
      if (types) for (const type of types) above.add(type);
    }
  }
  return failures;
}

/** The totals of model calls. `unpriced` calls have tokens without a price, `unmeasured` calls have no tokens. */
function usage(calls) {
  const finished = calls.filter((call) => !call.running);
  const measured = finished.filter((call) => call.input !== undefined || call.output !== undefined);
  return {
    input: sum(measured, (call) => call.input), output: sum(measured, (call) => call.output),
    cached: sum(measured, (call) => call.cached), cost: sum(measured, (call) => call.cost),
    unpriced: measured.filter((call) => call.cost === undefined).length, unmeasured: finished.length - measured.length,
  };
}

/** The calls that a total leaves out, as text. */
function leftOut({ unpriced, unmeasured }) {
  return joined([unpriced && `${plural(unpriced, "call")} without a price`, unmeasured && `${plural(unmeasured, "call")} without usage`], ", ");
}
/** The cost with the calls that it leaves out, or only a mark that it is not complete. */
function costLabel(used, short) {
  if (!head.priced) return "";
  const rest = leftOut(used);
  if (used.cost === undefined) return `${UNKNOWN} cost${rest && !short ? ` (${rest})` : ""}`;
  return money(used.cost) + (rest && (short ? " (partial)" : ` + ${rest}`));
}

const hasMessages = (span) => "gen_ai.input.messages" in span.attributes || "gen_ai.output.messages" in span.attributes;
const messagesOf = (span, key) => objects(parsed(span.attributes[key]));

/** Returns the captured call whose messages contain the conversation of a span: its own, or the last one below it. */
function conversationCall(trace, span) {
  if (span && span.kind === "chat" && hasMessages(span)) return span;
  const isBelow = (item) => { for (let above = item; above; above = above.above) if (above === span) return true; return false; };
  let last;
  for (const call of trace.calls) {
    if (!hasMessages(call) || (span && !isBelow(call))) continue;
    if (!last || call.start + call.duration >= last.start + last.duration) last = call;
  }
  return last || (span && hasMessages(span) ? span : undefined);
}

function textOf(message) {
  return objects(message.parts).filter((part) => part.type === "text" && typeof part.content === "string").map((part) => part.content).join(" ").trim();
}

/** Returns the question that a trace answers, or "" if it is not captured. */
function question(trace) {
  trace.question ??= firstPrompt(trace) ?? "";
  return trace.question;
}

/** Returns the prompt of the first captured span: its last message of the user, because earlier ones are history. */
function firstPrompt(trace) {
  const first = trace.spans.filter((span) => "gen_ai.input.messages" in span.attributes).sort(inOrder)[0];
  if (!first) return undefined;
  const prompts = messagesOf(first, "gen_ai.input.messages").filter((message) => message.role === "user").map(textOf).filter(Boolean);
  return prompts[prompts.length - 1]?.replace(/\s+/g, " ").slice(0, 400);
}

/** The title of a trace: its question if that is captured, else its agent and user. */
function titleOf(trace) {
  trace.title ??= question(trace) || joined([trace.agents[0] || trace.roots[0].name, trace.user, moment(trace.start)]);
  return trace.title;
}

function statusOf(trace) {
  if (trace.running) return "running";
  if (trace.failed) return "failed";
  return trace.cancelled ? "cancelled" : "ok";
}

function feedbackText(item) {
  const isScore = typeof item.score === "number" && !(item.label && (item.score === 0 || item.score === 1));
  return joined([item.label, isScore && String(Math.round(item.score * 1000) / 1000)], " ");
}

/** Whether people liked it: 1, -1, or 0 if that is unknown. */
function mood(item) {
  const label = String(item.label ?? "").toLowerCase();
  if (/^(up|good|pass(ed)?|positive|yes|true|correct|relevant|thumbs.?up|👍)$/.test(label)) return 1;
  if (/^(down|bad|fail(ed)?|negative|no|false|incorrect|irrelevant|thumbs.?down|👎)$/.test(label)) return -1;
  if (typeof item.score !== "number" || item.score < 0 || item.score > 1) return item.score < 0 ? -1 : 0;
  return item.score >= 0.5 ? 1 : -1;
}
