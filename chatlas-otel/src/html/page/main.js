// The state of the page, its address, its keys, and the updates of a running program.
const state = {
  trace: undefined, span: undefined, page: undefined, source: false, view: [0, 1], length: 1, closed: new Set(), drawn: [],
  tab: "traces", query: "", group: "", sort: "newest", folded: new Set(),
  /** Whether the newest trace is shown, as long as the reader has not chosen one. */
  follow: true,
  /** The address of a trace that has not been received yet. */
  wanted: undefined,
};

/** Opens a trace that the reader has chosen. */
function open(trace, span, page) {
  if (!trace) return;
  state.follow = false;
  state.wanted = undefined;
  document.body.classList.add("reading");
  show(trace, span, page);
}

function show(trace, span, page) {
  const same = trace === state.trace;
  state.trace = trace;
  state.span = span || (same && trace.byId.get(state.span?.id)) || trace.roots[0];
  if (!same) { state.closed.clear(); state.length = total(); state.view = [0, state.length]; $("waterfall").scrollTop = 0; }
  if (!same || page) state.page = page || (conversationCall(trace) ? "conversation" : "attributes");
  paintList();
  drawHead();
  drawTrace();
  if (span) { reveal($("waterfall"), LINE, rows.findIndex(([item]) => item === span)); paintRows(); }
  drawDetails();
  writeHash();
}

function choose(span, page) {
  state.span = span;
  if (page) state.page = page;
  else if (state.page === "conversation" && span.kind !== "agent" && !hasMessages(span)) state.page = "attributes";
  paintRows();
  drawDetails();
  writeHash();
}

/** The title and the facts of the chosen trace. */
function drawHead() {
  const { trace } = state;
  $("title").textContent = visible(titleOf(trace));
  const status = statusOf(trace);
  const badge = { ok: "", running: "… running", failed: "✗ failed", cancelled: "⊘ cancelled" }[status];
  $("status").textContent = badge;
  $("status").className = `badge ${status}`;
  $("status").hidden = !badge;
  const chip = (field, value, title) => value && button("chip", joined([title, value], " "), () => find(`${field}:${/[\s"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value}`), `Show the traces of ${title} ${value}`);
  $("chips").replaceChildren(...[
    chip("user", trace.user, "user"), chip("session", trace.session, "session"), chip("conversation", trace.conversation, "conversation"),
    ...trace.agents.slice(0, 3).map((agent) => chip("agent", agent, "agent")), ...trace.models.slice(0, 3).map((model) => chip("model", model, "model")),
  ].filter(Boolean));
  $("facts").textContent = joined([
    trace.id.slice(0, 8), `${day(trace.start)} ${clock(trace.start)}`, duration(trace.end - trace.start), plural(trace.spans.length, "span"),
    trace.calls.length ? tokens(trace.usage.input, trace.usage.output) : "", trace.calls.length ? costLabel(trace.usage) : "",
    trace.failures.length ? `✗ ${plural(trace.failures.length, "error")}` : "",
  ]);
}

function find(query) {
  $("filter").value = query;
  $("filter").oninput();
  document.body.classList.remove("reading");
}

function showTab(name) {
  state.tab = name;
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  for (const element of document.querySelectorAll("#tabs button")) attributes(element, { "aria-current": element.dataset.tab === name ? "page" : undefined });
  if (name === "traces") { paintList(); paintRows(); } else drawTab[name]();
  writeHash();
}

// The address: #traces/TRACE/SPAN/page, or #models.
let ready = false;
function writeHash() {
  if (!ready) return;
  const parts = [state.tab];
  if (state.tab === "traces" && state.trace && !state.follow) parts.push(state.trace.id, state.span.id, state.page);
  const hash = `#${parts.join("/")}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}
function readHash() {
  const [tab, id, spanId, page] = location.hash.slice(1).replace(/^trace-/, "traces/").split("/");
  showTab(Object.hasOwn(drawTab, tab) ? tab : "traces");
  const trace = traces.get(id);
  if (trace) open(trace, trace.byId.get(spanId), page);
  return trace;
}

const themes = ["system", "light", "dark"];
function paintTheme(name) {
  document.documentElement.style.colorScheme = name === "system" ? "light dark" : name;
  $("theme").textContent = `Theme: ${name}`;
  $("theme").onclick = () => paintTheme(themes[(themes.indexOf(name) + 1) % themes.length]);
}

function onKey(event) {
  const inside = (selector) => event.target.closest?.(selector);
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (inside("input, select, textarea")) {
    if (event.key === "Escape") { event.target.blur(); event.preventDefault(); }
    if (event.key === "Enter" && event.target === $("filter")) { event.target.blur(); open(listRows.find((row) => row.trace)?.trace); }
    return;
  }
  const general = {
    "/": () => { showTab("traces"); document.body.classList.remove("reading"); $("filter").focus(); }, "?": () => $("help").showModal(),
    1: () => showTab("traces"), 2: () => showTab("models"), 3: () => showTab("tools"), 4: () => showTab("errors"), 5: () => showTab("feedback"),
    Escape: () => document.body.classList.remove("reading"),
  };
  const row = listRows.find((item) => item.group && !state.folded.has(item.group.name) && item.group.items.includes(state.trace));
  const ofList = {
    ArrowDown: () => moveInList(1), ArrowUp: () => moveInList(-1), Enter: () => { document.body.classList.add("reading"); $("waterfall").focus(); },
    ArrowLeft: () => row && foldGroup(row.group, true), ArrowRight: () => { state.folded.clear(); drawList(); },
  };
  const ofTrace = {
    "+": () => zoomBy(0.5), "-": () => zoomBy(2), 0: zoomOut, j: () => moveInList(1), k: () => moveInList(-1),
    ArrowDown: () => moveInTrace(1), ArrowUp: () => moveInTrace(-1), ArrowLeft: foldOrRise, ArrowRight: () => foldSpan(state.span, false),
  };
  // In scrolled text, the arrows scroll.
  const isText = inside("#details, .wide, summary") && event.key.startsWith("Arrow");
  const own = (keys) => (Object.hasOwn(keys, event.key) ? keys[event.key] : undefined);
  const forTrace = state.tab === "traces" && state.trace && !isText;
  const action = own(general) || (forTrace && inside("#list") && own(ofList)) || (forTrace && own(ofTrace));
  // Enter and the arrows belong to a focused button, too.
  if (!action || (inside("button") && event.key === "Enter")) return;
  event.preventDefault();
  action();
}

function drawAll() {
  update();
  if (state.wanted && traces.has(state.wanted.split("/")[1])) {
    history.replaceState(null, "", state.wanted);
    readHash();
  }
  drawTotals();
  drawList();
  drawTab[state.tab]?.();
  if (!traces.has(state.trace?.id) || state.follow) {
    if (!ordered.length) { document.body.classList.add("nothing"); return; }
    document.body.classList.remove("nothing");
    show(ordered[0]);
  } else redrawTrace();
  const dropped = head.dropped;
  $("dropped").hidden = !dropped;
  $("dropped").textContent = dropped ? `Dropped the oldest ${plural(dropped, "span")} to limit the size of this report.` : "";
}

/** Draws the chosen trace again, in the same position. */
function redrawTrace() {
  const { trace } = state;
  const isComplete = state.view[0] === 0 && state.view[1] === state.length;
  state.span = trace.byId.get(state.span.id) || trace.roots[0];
  state.length = total();
  if (isComplete) state.view = [0, state.length];
  drawHead();
  drawTrace();
  redrawDetails();
}

function prepare() {
  for (const [id, choices] of [["group", Object.entries(groupings)], ["sort", Object.entries(sortings)]]) {
    for (const [value, [title]] of choices) $(id).append(new Option(id === "group" ? `Group by ${title.toLowerCase()}` : title, value));
    $(id).onchange = () => { state[id] = $(id).value; state.folded.clear(); $("list").scrollTop = 0; drawList(); };
  }
  $("filter").oninput = () => { state.query = $("filter").value; $("list").scrollTop = 0; drawList(); };
  for (const element of document.querySelectorAll("#tabs button")) element.onclick = () => showTab(element.dataset.tab);
  $("back").onclick = () => { document.body.classList.remove("reading"); $("list").focus(); };
  $("collapse").onclick = collapseAll;
  $("in").onclick = () => zoomBy(0.5);
  $("out").onclick = () => zoomBy(2);
  $("fit").onclick = zoomOut;
  $("keys").onclick = () => $("help").showModal();
  $("close").onclick = () => $("help").close();
  const requested = new URLSearchParams(location.search).get("theme");
  paintTheme(themes.includes(requested) ? requested : "system");
  prepareAxis();
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => readHash());
  window.addEventListener("resize", perFrame(() => { paintList(); if (state.trace) { drawAxis(); paintRows(); } }));
  $("service").textContent = head.service ? `of ${visible(head.service)}` : "";
}

function start() {
  const data = JSON.parse($("data").textContent);
  head = data.head;
  data.spans.forEach(addSpan);
  prepare();
  drawAll();
  for (const draw of Object.values(drawTab)) draw();
  const found = readHash();
  if (!found && head.live) state.wanted = location.hash;
  ready = true;
  if (head.live) follow();
  else $("written").textContent = `Written ${new Date(head.written).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  document.documentElement.dataset.ready = String(data.spans.length);
}
start();
