// The tree of the spans of a trace, with a bar for each on one time axis.
const LINE = 28;
/** The rows of the tree: [span, level]. */
let rows = [];
let paintRows = () => {};

function drawTrace() {
  const { trace } = state;
  rows = [];
  const stack = [...trace.roots].reverse().map((span) => [span, 0]);
  while (stack.length) {
    const [span, level] = stack.pop();
    rows.push([span, level]);
    if (state.closed.has(span.id)) continue;
    for (let index = span.children.length - 1; index >= 0; index--) stack.push([span.children[index], level + 1]);
  }
  drawAxis();
  const box = $("waterfall");
  const top = box.scrollTop;
  box.style.height = `${rows.length * LINE + 2}px`;
  paintRows = virtual(box, LINE, rows.length, drawRow);
  if (top) { box.scrollTop = top; paintRows(); }
  drawLegend(trace);
}

const kinds = new Map([
  ["agent", "Agent"], ["chat", "Model call"], ["tool", "Tool call"], ["http", "HTTP"], ["data", "Retrieval and memory"],
  ["evaluation", "Evaluation"], ["other", "Other"],
]);

function drawLegend(trace) {
  const used = new Set(trace.spans.map((span) => span.kind));
  $("legend").replaceChildren(...[...kinds].filter(([kind]) => used.has(kind)).map(([kind, title]) => el("span", "", el("span", `dot ${kind}`), title)));
}

const share = (micros) => (100 * (micros - state.view[0])) / (state.view[1] - state.view[0]);

function tokensOf(span) {
  if (span.kind === "chat") return span.running ? "" : tokens(span.input, span.output);
  // They are part of the details.
  if (span.details) return "";
  // Other operations with usage, such as embeddings. An agent repeats the sum of its calls.
  const [input, output] = ["input", "output"].map((name) => span.attributes[`gen_ai.usage.${name}_tokens`]);
  return span.kind === "agent" || (input === undefined && output === undefined) ? "" : tokens(input, output);
}

function drawRow(index) {
  const [span, level] = rows[index];
  const failed = span.error !== undefined;
  const cancelled = isCancelled(span);
  const closed = state.closed.has(span.id);
  const row = el("div", `row${span === state.span ? " chosen" : ""}${failed ? " failed" : ""}`);
  const label = el("div", "label");
  label.style.paddingLeft = `${6 + 14 * Math.min(level, 12)}px`;
  const twist = el("span", "twist", span.children.length ? (closed ? "▸" : "▾") : "");
  twist.onclick = (event) => {
    if (!span.children.length) return;
    event.stopPropagation();
    foldSpan(span, !closed);
  };
  const name = el("span", "name", span.name + (closed ? ` (+${descendants(span)})` : ""));
  const length = span.running ? "…" : duration(span.duration);
  const flag = failed ? "✗" : cancelled ? "⊘" : "";
  label.append(twist, el("span", `dot ${span.kind}`), flag && el("span", "flag", flag), name, el("span", "duration", length));
  const note = joined([
    failed ? `✗ ${span.error}` : "", cancelled ? "⊘ cancelled" : "", span.running ? "… running" : "", tokensOf(span), span.details,
    span.cost === undefined ? (span.kind === "chat" && head.priced && !span.running ? `${UNKNOWN} cost` : "") : money(span.cost),
    ...state.trace.feedback.filter((item) => item.id === span.id).map((item) => `${item.name}: ${feedbackText(item)}`),
  ]);
  row.append(label, track(span, note, failed, cancelled));
  row.title = visible(joined([span.name, length, note], "\n"));
  row.onclick = () => choose(span);
  attributes(row, {
    id: `span-${index}`, role: "treeitem", "aria-level": level + 1, "aria-selected": String(span === state.span),
    "aria-expanded": span.children.length ? String(!closed) : undefined, "aria-label": visible(joined([span.name, length, note], ", ")),
  });
  if (span === state.span) $("waterfall").setAttribute("aria-activedescendant", row.id);
  return row;
}

function track(span, note, failed, cancelled) {
  const element = el("div", "track");
  const left = share(span.start - state.trace.start);
  const width = (100 * span.duration) / (state.view[1] - state.view[0]);
  const block = el("div", `block ${span.kind}${failed ? " bad" : ""}${cancelled ? " cancelled" : ""}${span.running ? " running" : ""}`);
  block.style.left = `${left}%`;
  block.style.width = `${width}%`;
  if (span.firstChunk !== undefined && span.duration > 0 && span.firstChunk < span.duration) {
    const wait = el("div", "to-first-chunk");
    wait.style.width = `${(100 * span.firstChunk) / span.duration}%`;
    wait.title = `Time to first chunk: ${duration(span.firstChunk)}`;
    block.append(wait);
  }
  element.append(block);
  if (note) {
    const shown = el("div", "note", note);
    const right = left + width;
    // After the bar if there is room, else before it, else on it.
    if (right < 70) shown.style.left = `${Math.max(right, 0)}%`;
    else if (left > 30) shown.style.right = `${100 - left}%`;
    else { shown.style.right = "6px"; shown.classList.add("on"); }
    element.append(shown);
  }
  return element;
}

function descendants(span) {
  let count = 0;
  const stack = [...span.children];
  while (stack.length) { count++; stack.push(...stack.pop().children); }
  return count;
}

function foldSpan(span, fold) {
  if (!span.children.length) return;
  if (fold) state.closed.add(span.id);
  else state.closed.delete(span.id);
  drawTrace();
}

function collapseAll() {
  if (state.closed.size) state.closed.clear();
  else for (const root of state.trace.roots) for (const span of root.children) if (span.children.length) state.closed.add(span.id);
  drawTrace();
}

function drawAxis() {
  const [from, to] = state.view;
  const minStep = (to - from) / ($("axis").clientWidth < 400 ? 4 : 8);
  const power = 10 ** Math.floor(Math.log10(minStep));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= minStep) || minStep;
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) {
    const tick = el("div", "tick", duration(at));
    tick.style.left = `${share(at)}%`;
    if (share(at) < 92) ticks.push(tick);
  }
  $("axis").replaceChildren(...ticks);
}

const total = () => Math.max(1, state.trace.end - state.trace.start);

function zoom(from, to) {
  const length = Math.max(1, Math.min(total(), to - from));
  const start = Math.max(0, Math.min(total() - length, from));
  state.view = [start, start + length];
  drawAxis();
  paintRows();
}
function zoomBy(factor, position = (state.view[0] + state.view[1]) / 2) {
  zoom(position - (position - state.view[0]) * factor, position + (state.view[1] - position) * factor);
}
const zoomOut = () => zoom(0, total());

function moveInTrace(step) {
  const index = rows.findIndex(([span]) => span === state.span) + step;
  if (!rows[index]) return;
  reveal($("waterfall"), LINE, index);
  choose(rows[index][0]);
}

/** Folds the chosen span, or chooses its parent if it is folded. */
function foldOrRise() {
  if (state.span.children.length && !state.closed.has(state.span.id)) foldSpan(state.span, true);
  else if (state.span.above) { choose(state.span.above); reveal($("waterfall"), LINE, rows.findIndex(([span]) => span === state.span)); }
}

function prepareAxis() {
  const axis = $("axis");
  const timeAt = (event) => {
    const box = axis.getBoundingClientRect();
    return state.view[0] + (state.view[1] - state.view[0]) * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  axis.onpointerdown = (event) => {
    axis.setPointerCapture(event.pointerId);
    const from = timeAt(event);
    const mark = el("div", "span");
    axis.append(mark);
    const between = (other) => [from, timeAt(other)].sort((a, b) => a - b);
    axis.onpointermove = (moved) => {
      const [start, end] = between(moved);
      mark.style.left = `${share(start)}%`;
      mark.style.width = `${share(end) - share(start)}%`;
    };
    axis.onpointerup = axis.onpointercancel = (ended) => {
      axis.onpointermove = axis.onpointerup = axis.onpointercancel = null;
      mark.remove();
      const [start, end] = between(ended);
      if (end - start > (state.view[1] - state.view[0]) / 200) zoom(start, end);
    };
  };
  axis.ondblclick = zoomOut;
  $("waterfall").addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event));
  }, { passive: false });
}
