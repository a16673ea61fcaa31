// The details of the chosen span: the conversation, attributes, events and feedback.
function drawDetails() {
  const { trace, span } = state;
  const call = conversationCall(trace, span) || conversationCall(trace);
  state.drawn = [span, call, trace.feedback.length];
  const judged = trace.feedback.filter((item) => item.id === span.id);
  const comments = judged.length ? judged : trace.feedback;
  const pages = [];
  if (call) pages.push(["conversation", "Conversation"]);
  pages.push(["attributes", "Attributes"]);
  if (span.events?.length) pages.push(["events", `Events (${span.events.length})`]);
  if (comments.length) pages.push(["feedback", `Feedback (${comments.length})`]);
  const page = pages.some(([name]) => name === state.page) ? state.page : pages[0][0];
  const tabs = el("div", "pages");
  for (const [name, title] of pages) {
    const element = button("", title, () => { state.page = name; drawDetails(); writeHash(); });
    if (name === page) element.setAttribute("aria-current", "true");
    tabs.append(element);
  }
  tabs.append(el("span", "space"));
  if (page === "conversation") tabs.append(button("quiet", state.source ? "Show formatted" : "Show source", () => { state.source = !state.source; drawDetails(); }));
  const body = el("div", "body");
  if (page === "conversation") body.append(...conversation(trace, call));
  else if (page === "events") for (const event of span.events) body.append(el("h3", "", `${event.name} at ${duration(event.at)}`), factTable(event.attributes));
  else if (page === "feedback") body.append(...comments.map(comment));
  else body.append(...attributePage(trace, span));
  $("details").replaceChildren(tabs, body);
  $("details").scrollTop = 0;
}

function attributePage(trace, span) {
  const { name, description } = span;
  const used = { input: span.input, output: span.output };
  const summary = {
    span: name, started: `${day(span.start)} ${clock(span.start)}, ${duration(span.start - trace.start)} after the start of the trace`,
    duration: span.running ? "running" : duration(span.duration),
    ...(span.firstChunk === undefined ? {} : { "time to first chunk": duration(span.firstChunk) }),
    ...(span.kind === "chat" ? { tokens: tokens(used.input, used.output) } : {}),
    ...(span.kind === "chat" && head.priced ? { cost: joined([money(span.cost), leftOut(usage([span]))]) } : {}),
    status: span.error !== undefined ? joined([`✗ ${span.error}`, description], ": ") : isCancelled(span) ? "⊘ cancelled" : span.running ? "running" : "ok",
    "span id": span.id, "trace id": span.trace,
  };
  const parts = [factTable(summary)];
  const pairs = Object.entries(span.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length) parts.push(el("h3", "", "Attributes"), factTable(Object.fromEntries(pairs)));
  for (const link of span.links || []) parts.push(el("h3", "", "Link"), factTable({ "trace id": link.trace, "span id": link.id }));
  return parts;
}

function factTable(pairs) {
  const table = el("table", "facts");
  for (const [key, value] of Object.entries(pairs)) {
    table.append(el("tr", key === "error.type" || (key === "status" && String(value).startsWith("✗")) ? "error" : "", attributes(el("th", "", key), { scope: "row" }), el("td", "", valueNode(value))));
  }
  return table;
}

/** Draws the details again if they have changed. Unchanged ones keep their position and what the reader unfolded. */
function redrawDetails() {
  const { trace, span, drawn } = state;
  const now = [span, conversationCall(trace, span) || conversationCall(trace), trace.feedback.length];
  if (now.every((item, index) => item === drawn[index])) return;
  const top = $("details").scrollTop;
  drawDetails();
  $("details").scrollTop = top;
}

const isFlat = (item) => Object.values(item).every((value) => value === null || typeof value !== "object");

/** Shows any value so that it can be read: JSON is indented, lists of records are tables, long text is folded. */
function valueNode(value) {
  const data = typeof value === "string" ? parsed(value) ?? value : value;
  if (Array.isArray(data) && data.length && data.every((item) => item !== null && typeof item === "object" && !Array.isArray(item) && isFlat(item))) {
    const keys = [...new Set(data.flatMap(Object.keys))].slice(0, 12);
    const rows = data.slice(0, 200).map((item) => el("tr", "", ...keys.map((key) => el("td", "", plain(item[key])))));
    const table = el("table", "records", el("tr", "", ...keys.map((key) => attributes(el("th", "", key), { scope: "col" }))), ...rows);
    return fold(table, data.length > 10, `${plural(data.length, "record")}`);
  }
  if (Array.isArray(data) && data.every((item) => item === null || typeof item !== "object")) return document.createTextNode(visible(data.map(String).join(", ")));
  const content = plain(data);
  return fold(el("span", "value", content), content.length > 1000, `${content.slice(0, 120)}…`);
}
const fold = (node, folds, title) => (folds ? folded(title, node, false) : node);

function comment(item) {
  const box = el("div", "comment", feedbackMark(item), " ", el("strong", "", item.name), " ", el("span", "faint", moment(item.at)));
  if (item.explanation) box.append(el("p", "", String(item.explanation)));
  return box;
}

function feedbackMark(item) {
  const [className, sign] = { "1": ["good", "▲"], "-1": ["bad", "▼"], 0: ["", "●"] }[mood(item)];
  return el("span", `mark ${className}`, `${sign} ${feedbackText(item) || item.name}`);
}
