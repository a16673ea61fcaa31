// The list of traces, and lists that keep only their visible rows in the document.
const ROW = 62;

function virtual(box, height, count, draw) {
  const inner = attributes(el("div", "inner"), { role: "presentation" });
  inner.style.height = `${count * height}px`;
  box.replaceChildren(inner);
  const paint = () => {
    const visible = box.clientHeight || 600;
    const first = Math.max(0, Math.floor(box.scrollTop / height) - 8);
    const last = Math.min(count, Math.ceil((box.scrollTop + visible) / height) + 8);
    const rows = [];
    for (let index = first; index < last; index++) {
      const row = draw(index);
      row.style.top = `${index * height}px`;
      rows.push(row);
    }
    inner.replaceChildren(...rows);
  };
  box.onscroll = perFrame(paint);
  paint();
  return paint;
}

/** Scrolls a list so that a row is visible. */
function reveal(box, height, index) {
  if (index * height < box.scrollTop) box.scrollTop = index * height;
  if ((index + 1) * height > box.scrollTop + box.clientHeight) box.scrollTop = (index + 1) * height - box.clientHeight;
}

/** The rows of the list: { trace }, or { group } followed by its traces. */
let listRows = [];
let paintList = () => {};

function drawList() {
  const matches = state.query.trim() ? ordered.filter(search(state.query)) : ordered;
  const byValue = sortings[state.sort][1];
  const list = state.sort === "newest" ? matches : [...matches].sort((a, b) => byValue(b) - byValue(a) || b.start - a.start);
  listRows = [];
  if (state.group) {
    for (const group of grouped(list, state.group)) {
      listRows.push({ group });
      if (!state.folded.has(group.name)) for (const trace of group.items) listRows.push({ trace });
    }
  } else for (const trace of list) listRows.push({ trace });
  const box = $("list");
  const top = box.scrollTop;
  attributes(box, { role: listRows.length ? (state.group ? "tree" : "listbox") : undefined });
  $("matches").textContent = state.query.trim() ? `${integer(list.length)} of ${plural(ordered.length, "trace")}` : plural(ordered.length, "trace");
  paintList = virtual(box, ROW, listRows.length, listRow);
  box.scrollTop = top;
  if (top) paintList();
  if (!listRows.length) box.replaceChildren(el("div", "empty", ordered.length ? "No matching traces." : "No traces yet."));
}

function listRow(index) {
  const { group, trace } = listRows[index];
  if (group) return groupRow(group, index);
  const chosen = trace === state.trace;
  const status = statusOf(trace);
  const row = el("div", `row${chosen ? " chosen" : ""}${state.group ? " nested" : ""}`);
  const name = el("div", trace.failures.length ? "name error" : "name", titleOf(trace));
  const failures = trace.failures.length ? `✗ ${plural(trace.failures.length, "error")}` : status === "failed" ? "✗ failed" : "";
  const facts = joined([
    status === "running" ? "… running" : "", failures, trace.cancelled ? "⊘ cancelled" : "",
    ...(question(trace) ? [moment(trace.start), trace.user] : []), duration(trace.end - trace.start),
    trace.calls.length ? tokens(trace.usage.input, trace.usage.output) : plural(trace.spans.length, "span"), trace.calls.length ? costLabel(trace.usage, true) : "",
  ]);
  row.append(el("span", `state ${status}${trace.failures.length ? " failed" : ""}`), el("div", "lines", name, el("div", "sub", facts)), feedbackCell(trace));
  row.title = visible(`${titleOf(trace)}\n${facts}`);
  attributes(row, {
    id: `row-${index}`, role: state.group ? "treeitem" : "option", "aria-selected": String(chosen), "aria-posinset": index + 1, "aria-setsize": listRows.length,
    "aria-level": state.group ? 2 : undefined,
  });
  if (chosen) $("list").setAttribute("aria-activedescendant", row.id);
  row.onclick = () => open(trace);
  return row;
}

function groupRow(group, index) {
  const closed = state.folded.has(group.name);
  const calls = group.items.flatMap((trace) => trace.calls);
  const used = usage(calls);
  const failures = group.items.reduce((total, trace) => total + trace.failures.length, 0);
  const title = state.group === "conversation" && group.name !== UNKNOWN ? titleOf(group.items.reduce((a, b) => (a.start < b.start ? a : b))) : group.name;
  const sub = joined([
    group.name === UNKNOWN ? `no ${groupings[state.group][0].toLowerCase()}` : title === group.name ? "" : group.name, plural(group.items.length, "trace"),
    failures ? `✗ ${plural(failures, "error")}` : "", calls.length ? tokens(used.input, used.output) : "", calls.length ? costLabel(used, true) : "",
  ]);
  const row = el("div", "row group", el("span", "twist", closed ? "▸" : "▾"), el("div", "lines", el("div", "name", title), el("div", "sub", sub)));
  row.title = visible(`${title}\n${sub}`);
  row.onclick = () => foldGroup(group, !closed);
  return attributes(row, { id: `row-${index}`, role: "treeitem", "aria-level": 1, "aria-expanded": String(!closed), "aria-posinset": index + 1, "aria-setsize": listRows.length });
}

function foldGroup(group, fold) {
  if (fold) state.folded.add(group.name);
  else state.folded.delete(group.name);
  drawList();
}

/** The feedback column: the latest evaluation, and the number of the others. */
function feedbackCell(trace) {
  const last = trace.feedback[trace.feedback.length - 1];
  const cell = el("span", "feedback", last && feedbackMark(last), trace.feedback.length > 1 ? ` +${trace.feedback.length - 1}` : "");
  if (last) cell.title = trace.feedback.map((item) => joined([`${item.name}: ${feedbackText(item)}`, item.explanation])).join("\n");
  return cell;
}

function moveInList(step) {
  const current = listRows.findIndex((row) => row.trace && row.trace === state.trace);
  let index = current + step;
  while (listRows[index] && !listRows[index].trace) index += Math.sign(step);
  if (!listRows[index]) return;
  open(listRows[index].trace);
  reveal($("list"), ROW, index);
  paintList();
}
