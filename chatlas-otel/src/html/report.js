"use strict";
// Draws the spans that stand in the page as JSON. All text is set as text, never as HTML.
(() => {
  const { head, spans } = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const el = (tag, kind, ...inside) => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    element.append(...inside.filter((part) => part !== null && part !== undefined));
    return element;
  };
  const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
  const whole = (number) => number.toLocaleString("en-US");
  const sum = (list, of) => list.reduce((total, item) => total + (of(item) || 0), 0);

  function time(micros) {
    if (micros === 0) return "0";
    if (micros < 1000) return `${Math.round(micros)} µs`;
    if (micros < 1e6) return `${(micros / 1e3).toFixed(micros < 1e4 ? 1 : 0)} ms`;
    if (micros < 6e7) return `${(micros / 1e6).toFixed(2)} s`;
    return `${Math.floor(micros / 6e7)} min ${Math.round((micros % 6e7) / 1e6)} s`;
  }
  function money(cost) {
    const digits = [0.995, 0.0995, 0.00995, 0.000995, 0].findIndex((least) => cost >= least) + 2;
    return `${head.currency}${head.currency.length > 1 ? " " : ""}${cost.toFixed(digits)}`;
  }
  const clock = (micros) => new Date(micros / 1000).toLocaleTimeString("en-GB", { hour12: false });
  function tokens(input, output) {
    if (input === undefined && output === undefined) return "";
    return `${whole(input || 0)} in → ${whole(output || 0)} out`;
  }

  // The traces, newest first, each with its tree.
  const traces = [];
  {
    const byId = new Map();
    for (const span of spans) {
      if (!byId.has(span.trace)) byId.set(span.trace, { id: span.trace, spans: [] });
      byId.get(span.trace).spans.push(span);
    }
    for (const trace of byId.values()) {
      const known = new Map(trace.spans.map((span) => [span.id, span]));
      trace.roots = [];
      for (const span of trace.spans) span.below = [];
      for (const span of trace.spans) {
        const parent = known.get(span.parent);
        (parent && parent !== span ? parent.below : trace.roots).push(span);
      }
      const inOrder = (a, b) => a.start - b.start || b.took - a.took;
      for (const span of trace.spans) span.below.sort(inOrder);
      trace.roots.sort(inOrder);
      if (trace.roots.length === 0) trace.roots = [...trace.spans];
      trace.start = trace.spans.reduce((least, span) => Math.min(least, span.start), Infinity);
      trace.end = trace.spans.reduce((most, span) => Math.max(most, span.start + span.took), 0);
      trace.calls = trace.spans.filter((span) => span.kind === "chat");
      trace.errors = trace.spans.filter((span) => span.error !== undefined).length;
      trace.name = trace.roots[0].name;
      const last = (list) => list[list.length - 1];
      const captured = trace.calls.filter(hasMessages).sort((a, b) => a.start + a.took - b.start - b.took);
      trace.conversation = captured.length ? last(captured) : undefined;
      traces.push(trace);
    }
    traces.sort((a, b) => b.start - a.start);
  }
  const calls = spans.filter((span) => span.kind === "chat");
  const uses = spans.filter((span) => span.kind === "tool");
  const failed = spans.filter((span) => span.error !== undefined);
  const priced = calls.some((call) => call.cost !== undefined);

  function hasMessages(span) {
    return "gen_ai.input.messages" in span.attributes || "gen_ai.output.messages" in span.attributes;
  }

  // A list of which only what is seen is in the document.
  function virtual(box, height, count, draw) {
    const inner = el("div", "inner");
    inner.style.height = `${count * height}px`;
    box.replaceChildren(inner);
    const paint = () => {
      const seen = box.clientHeight || 600;
      const first = Math.max(0, Math.floor(box.scrollTop / height) - 8);
      const last = Math.min(count, Math.ceil((box.scrollTop + seen) / height) + 8);
      const rows = [];
      for (let place = first; place < last; place++) {
        const row = draw(place);
        row.style.top = `${place * height}px`;
        rows.push(row);
      }
      inner.replaceChildren(...rows);
    };
    let waiting = false;
    box.onscroll = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; paint(); });
    };
    paint();
    return paint;
  }

  // What is shown now.
  let shown = traces;
  let trace;
  let chosen;
  let page = "attributes";
  let view = [0, 1];
  const closed = new Set();
  let rows = [];
  let paintList = () => {};
  let paintRows = () => {};

  function drawList() {
    paintList = virtual($("list"), 52, shown.length, (place) => {
      const item = shown[place];
      const row = el("div", item === trace ? "row chosen" : "row");
      const name = el("div", item.errors ? "name error" : "name", item.name);
      const input = sum(item.calls, (call) => call.input);
      const output = sum(item.calls, (call) => call.output);
      const cost = priced ? sum(item.calls, (call) => call.cost) : 0;
      const sub = [
        clock(item.start), time(item.end - item.start), item.errors ? plural(item.errors, "error") : "",
        item.calls.length ? tokens(input, output) : plural(item.spans.length, "span"), cost ? money(cost) : "",
      ];
      row.append(name, el("div", "sub", sub.filter(Boolean).join(" · ")));
      row.onclick = () => open(item);
      return row;
    });
    if (shown.length === 0) $("list").replaceChildren(el("div", "none", "No trace fits."));
  }

  function open(item, span) {
    trace = item;
    view = [0, Math.max(1, item.end - item.start)];
    closed.clear();
    chosen = span || item.roots[0];
    page = item.conversation ? "conversation" : "attributes";
    $("title").textContent = item.name;
    const input = sum(item.calls, (call) => call.input);
    const output = sum(item.calls, (call) => call.output);
    const facts = [
      item.id.slice(0, 8), time(item.end - item.start), plural(item.spans.length, "span"),
      item.calls.length ? tokens(input, output) : "",
      priced ? money(sum(item.calls, (call) => call.cost)) : "",
    ];
    $("facts").textContent = facts.filter(Boolean).join(" · ");
    paintList();
    drawTrace();
    drawDetails();
  }

  function drawTrace() {
    rows = [];
    const stack = [...trace.roots].reverse().map((span) => [span, 0]);
    while (stack.length) {
      const [span, level] = stack.pop();
      rows.push([span, level]);
      if (closed.has(span)) continue;
      for (let place = span.below.length - 1; place >= 0; place--) stack.push([span.below[place], level + 1]);
    }
    drawAxis();
    paintRows = virtual($("waterfall"), 26, rows.length, drawRow);
  }

  const share = (micros) => (100 * (micros - view[0])) / (view[1] - view[0]);

  function drawRow(place) {
    const [span, level] = rows[place];
    const row = el("div", `row${span === chosen ? " chosen" : ""}${span.error !== undefined ? " failed" : ""}`);
    const label = el("div", "label");
    label.style.paddingLeft = `${8 + 16 * Math.min(level, 12)}px`;
    const twist = el("button", "twist", span.below.length ? (closed.has(span) ? "▸" : "▾") : "");
    twist.type = "button";
    twist.tabIndex = -1;
    twist.onclick = (event) => {
      event.stopPropagation();
      if (!span.below.length) return;
      if (!closed.delete(span)) closed.add(span);
      const top = $("waterfall").scrollTop;
      drawTrace();
      $("waterfall").scrollTop = top;
      paintRows();
    };
    const hidden = closed.has(span) ? ` (+${below(span)})` : "";
    label.append(twist, el("span", `dot ${span.kind}`), el("span", "name", span.name + hidden), el("span", "took", time(span.took)));
    const track = el("div", "track");
    const start = span.start - trace.start;
    const left = share(start);
    const width = share(start + span.took) - left;
    const block = el("div", `block ${span.kind}${span.error !== undefined ? " bad" : ""}`);
    block.style.left = `${left}%`;
    block.style.width = `${width}%`;
    if (span.firstChunk !== undefined && span.took > 0 && span.firstChunk < span.took) {
      const wait = el("div", "wait");
      wait.style.width = `${(100 * span.firstChunk) / span.took}%`;
      wait.title = `first chunk after ${time(span.firstChunk)}`;
      block.append(wait);
    }
    const facts = [
      span.error !== undefined ? `✗ ${span.error}` : "",
      span.kind === "chat" ? tokens(span.input, span.output) : "",
      span.cost !== undefined ? money(span.cost) : "",
    ].filter(Boolean).join("  ");
    track.append(block);
    if (facts) {
      const beside = el("div", "beside", facts);
      const right = left + width;
      // Beside the bar where there is room, else before it, else on it.
      if (right < 78) beside.style.left = `${Math.max(right, 0)}%`;
      else if (left > 25) beside.style.right = `${100 - left}%`;
      else { beside.style.right = "0"; beside.style.color = "var(--back)"; beside.style.fontWeight = "600"; beside.classList.add("on"); }
      track.append(beside);
    }
    row.append(label, track);
    row.onclick = () => { chosen = span; if (page === "conversation" && !hasMessages(span) && span.kind !== "agent") page = "attributes"; paintRows(); drawDetails(); };
    return row;
  }

  function below(span) {
    let count = 0;
    const stack = [...span.below];
    while (stack.length) { count++; stack.push(...stack.pop().below); }
    return count;
  }

  function drawAxis() {
    const axis = $("axis");
    const length = view[1] - view[0];
    const least = length / 8;
    const power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least) || least;
    const ticks = [];
    for (let at = Math.ceil(view[0] / step) * step; at < view[1]; at += step) {
      const tick = el("div", "tick", time(at));
      tick.style.left = `${share(at)}%`;
      if (share(at) < 94) ticks.push(tick);
    }
    axis.replaceChildren(...ticks);
  }

  function zoom(from, to) {
    const whole = Math.max(1, trace.end - trace.start);
    const length = Math.max(1, Math.min(whole, to - from));
    const start = Math.max(0, Math.min(whole - length, from));
    view = [start, start + length];
    drawAxis();
    paintRows();
  }
  function zoomBy(factor, at) {
    const middle = at === undefined ? (view[0] + view[1]) / 2 : at;
    zoom(middle - (middle - view[0]) * factor, middle + (view[1] - middle) * factor);
  }
  $("in").onclick = () => zoomBy(0.5);
  $("out").onclick = () => zoomBy(2);
  $("fit").onclick = () => zoom(0, trace.end - trace.start);
  $("collapse").onclick = () => {
    if (closed.size) closed.clear();
    else for (const root of trace.roots) for (const span of root.below) if (span.below.length) closed.add(span);
    drawTrace();
  };
  const timeAt = (event) => {
    const box = $("axis").getBoundingClientRect();
    return view[0] + (view[1] - view[0]) * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  $("axis").onpointerdown = (event) => {
    const axis = $("axis");
    axis.setPointerCapture(event.pointerId);
    const from = timeAt(event);
    const mark = el("div", "span");
    axis.append(mark);
    axis.onpointermove = (moved) => {
      const [a, b] = [from, timeAt(moved)].sort((x, y) => x - y);
      mark.style.left = `${share(a)}%`;
      mark.style.width = `${share(b) - share(a)}%`;
    };
    axis.onpointerup = (ended) => {
      axis.onpointermove = axis.onpointerup = null;
      mark.remove();
      const [a, b] = [from, timeAt(ended)].sort((x, y) => x - y);
      if (b - a > (view[1] - view[0]) / 200) zoom(a, b);
    };
  };
  $("axis").ondblclick = () => zoom(0, trace.end - trace.start);
  $("waterfall").addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event));
  }, { passive: false });
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || !trace) return;
    const place = rows.findIndex(([span]) => span === chosen);
    const go = (to) => {
      if (!rows[to]) return;
      [chosen] = rows[to];
      const box = $("waterfall");
      if (to * 26 < box.scrollTop) box.scrollTop = to * 26;
      if ((to + 1) * 26 > box.scrollTop + box.clientHeight) box.scrollTop = (to + 1) * 26 - box.clientHeight;
      paintRows();
      drawDetails();
    };
    const act = {
      "+": () => zoomBy(0.5), "-": () => zoomBy(2), 0: () => zoom(0, trace.end - trace.start),
      ArrowDown: () => go(place + 1), ArrowUp: () => go(place - 1),
    }[event.key];
    if (act && location.hash !== "#models") { event.preventDefault(); act(); }
  });

  // A span in full.
  function drawDetails() {
    const box = $("details");
    const span = chosen;
    const pages = [["attributes", "Attributes"]];
    if (span.events) pages.push(["events", `Events (${span.events.length})`]);
    const call = hasMessages(span) ? span : trace.conversation;
    if (call) pages.unshift(["conversation", call === span ? "Conversation" : "Conversation of the trace"]);
    if (!pages.some(([name]) => name === page)) [[page]] = pages;
    const tabs = el("div", "pages");
    for (const [name, title] of pages) {
      const button = el("button", "", title);
      button.type = "button";
      if (name === page) button.setAttribute("aria-current", "true");
      button.onclick = () => { page = name; drawDetails(); };
      tabs.append(button);
    }
    box.replaceChildren(tabs);
    if (page === "conversation") box.append(...conversation(call));
    else if (page === "events") for (const event of span.events) box.append(el("h2", "", `${event.name} at ${time(event.at)}`), facts(event.attributes));
    else box.append(facts({
      name: span.name, "starts after": time(span.start - trace.start), took: time(span.took),
      ...(span.firstChunk === undefined ? {} : { "first chunk after": time(span.firstChunk) }),
      ...(span.cost === undefined ? {} : { cost: money(span.cost) }),
      ...(span.description === undefined ? {} : { status: span.description }),
      ...span.attributes, "span id": span.id, "trace id": span.trace,
    }));
    box.scrollTop = 0;
  }

  function facts(pairs) {
    const table = el("table");
    for (const [key, value] of Object.entries(pairs)) {
      const row = el("tr", key === "error.type" ? "error" : "");
      row.append(el("td", "", key), el("td", "", typeof value === "string" ? pretty(value) : JSON.stringify(value)));
      table.append(row);
    }
    return table;
  }
  function pretty(text) {
    if (!/^[[{]/.test(text)) return text;
    try { return JSON.stringify(JSON.parse(text), null, 1); } catch { return text; }
  }

  // What was said, as far as it is captured.
  const objects = (list) => (Array.isArray(list) ? list.filter((item) => item !== null && typeof item === "object") : []);
  function conversation(call) {
    const parsed = (key) => { try { return objects(JSON.parse(call.attributes[key])); } catch { return []; } };
    const said = [];
    const system = parsed("gen_ai.system_instructions");
    if (system.length) said.push(message("system", system));
    for (const key of ["gen_ai.input.messages", "gen_ai.output.messages"]) {
      for (const item of parsed(key)) said.push(message(String(item.role), objects(item.parts), item.finish_reason));
    }
    return said.length ? said : [el("div", "none", "The messages cannot be read.")];
  }
  function message(role, parts, reason) {
    const box = el("div", `said ${role === "tool" ? "of-tool" : role === "user" || role === "assistant" ? role : ""}`);
    box.append(el("div", "who", reason ? `${role} · ${reason}` : role));
    const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
    for (const part of parts) {
      const text = (kind, value) => el(kind, kind === "div" ? "text" : "", plain(value));
      if (part.type === "text") box.append(text("div", part.content));
      else if (part.type === "reasoning") box.append(el("div", "text who", plain(part.content)));
      else if (part.type === "tool_call") box.append(text("code", `→ ${part.name}(${plain(part.arguments)})`));
      else if (part.type === "tool_call_response") box.append(text("code", `← ${plain(part.response ?? part.result ?? null)}`));
      else if (part.type === "blob") box.append(text("code", `[${part.modality}, ${part.mime_type}]`));
      else box.append(text("code", part));
    }
    return box;
  }

  // Tables that are sorted by what is clicked.
  function table(section, columns, items, none) {
    let by = columns.findIndex((column) => column.first);
    let down = true;
    const draw = () => {
      if (!items.length) { section.replaceChildren(el("div", "none", none)); return; }
      const value = columns[by].sort || columns[by].of;
      items.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (down ? -1 : 1));
      const top = el("tr");
      columns.forEach((column, place) => {
        const button = el("button", "", column.title + (place === by ? (down ? " ↓" : " ↑") : ""));
        button.type = "button";
        button.onclick = () => { down = by === place ? !down : true; by = place; draw(); };
        top.append(el("th", column.number ? "number" : "", button));
      });
      const rows = items.map((item) => {
        const row = el("tr");
        for (const column of columns) row.append(el("td", `${column.number ? "number" : ""}${column.bad && column.bad(item) ? " error" : ""}`, (column.show || column.of)(item)));
        return row;
      });
      section.replaceChildren(el("table", "", top, ...rows));
    };
    draw();
  }
  function grouped(list, key) {
    const groups = new Map();
    for (const item of list) {
      const name = key(item);
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(item);
    }
    return [...groups].map(([name, items]) => {
      const times = items.map((item) => item.took).sort((a, b) => a - b);
      const chunks = items.filter((item) => item.firstChunk !== undefined).map((item) => item.firstChunk).sort((a, b) => a - b);
      const at = (list, share) => (list.length ? list[Math.min(list.length - 1, Math.floor(list.length * share))] : undefined);
      return {
        name, items, count: items.length, errors: items.filter((item) => item.error !== undefined).length,
        total: sum(items, (item) => item.took), middle: at(times, 0.5), slow: at(times, 0.95), most: times[times.length - 1],
        chunk: at(chunks, 0.5), input: sum(items, (item) => item.input), cached: sum(items, (item) => item.cached),
        output: sum(items, (item) => item.output), cost: sum(items, (item) => item.cost),
      };
    });
  }
  const number = (title, of, show, more) => ({ title, of, show: show && ((item) => (of(item) === undefined ? "–" : show(of(item)))), number: true, ...more });
  const common = [
    number("Calls", (item) => item.count, whole),
    number("Errors", (item) => item.errors, whole, { bad: (item) => item.errors > 0 }),
    number("Time in all", (item) => item.total, time, { first: true }),
    number("Median", (item) => item.middle, time),
    number("95 %", (item) => item.slow, time),
    number("Longest", (item) => item.most, time),
  ];
  table($("models"), [
    { title: "Model", of: (item) => item.name }, ...common,
    number("First chunk, median", (item) => item.chunk, time),
    number("Input", (item) => item.input, whole), number("of it cached", (item) => item.cached, whole),
    number("Output", (item) => item.output, whole),
    ...(priced ? [number("Cost", (item) => item.cost, money)] : []),
  ], grouped(calls, (call) => call.model || "unknown"), "No model was called.");
  table($("tools"), [{ title: "Tool", of: (item) => item.name }, ...common], grouped(uses, (use) => use.tool || use.name), "No tool was called.");
  const lastOf = (item) => item.items.reduce((a, b) => (a.start > b.start ? a : b));
  table($("errors"), [
    { title: "Error", of: (item) => item.items[0].error, bad: () => true }, { title: "Span", of: (item) => item.items[0].name },
    number("Count", (item) => item.count, whole, { first: true }),
    { title: "Last", of: (item) => lastOf(item).start, show: (item) => {
      const span = lastOf(item);
      const button = el("button", "link", clock(span.start));
      button.type = "button";
      button.onclick = () => { tab("traces"); open(traces.find((one) => one.id === span.trace), span); };
      return button;
    } },
  ], grouped(failed, (span) => `${span.error}\n${span.name}`), "Nothing failed.");

  // Totals, tabs, theme.
  $("service").textContent = head.service ? `of ${head.service}` : "";
  $("written").textContent = `written ${new Date(head.written).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  if (head.leftOut) { $("left-out").hidden = false; $("left-out").textContent = `The oldest ${plural(head.leftOut, "span")} had no room in this report.`; }
  const input = sum(calls, (call) => call.input);
  const cached = sum(calls, (call) => call.cached);
  for (const [title, text, bad] of [
    ["Traces", whole(traces.length)], ["Spans", whole(spans.length)], ["Model calls", whole(calls.length)],
    ["Tool calls", whole(uses.length)], ["Input tokens", whole(input) + (cached ? ` (${whole(cached)} cached)` : "")],
    ["Output tokens", whole(sum(calls, (call) => call.output))],
    ...(priced ? [["Cost", money(sum(calls, (call) => call.cost))]] : []),
    ["Errors", whole(failed.length), failed.length > 0],
  ]) $("totals").append(el("div", bad ? "bad" : "", el("dt", "", title), el("dd", "", text)));
  function tab(name) {
    for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
    for (const button of document.querySelectorAll("#tabs button")) {
      if (button.dataset.tab === name) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
    }
    if (name === "traces") { paintList(); paintRows(); }
  }
  for (const button of document.querySelectorAll("#tabs button")) button.onclick = () => { tab(button.dataset.tab); history.replaceState(null, "", `#${button.dataset.tab}`); };
  const themes = ["light dark", "light", "dark"];
  const asked = new URLSearchParams(location.search).get("theme");
  let theme = Math.max(0, themes.indexOf(asked));
  const paintTheme = () => {
    document.documentElement.style.colorScheme = themes[theme];
    $("theme").textContent = `Theme: ${["system", "light", "dark"][theme]}`;
  };
  $("theme").onclick = () => { theme = (theme + 1) % 3; paintTheme(); };
  paintTheme();
  $("filter").oninput = () => {
    const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (item) => {
      item.text ||= [item.id, ...new Set(item.spans.flatMap((span) => [span.name, span.model, span.tool, span.error]))].join(" ").toLowerCase();
      return item.text;
    };
    shown = traces.filter((item) => words.every((word) => text(item).includes(word)));
    drawList();
  };
  drawList();
  const named = location.hash.slice(1);
  tab(["models", "tools", "errors"].includes(named) ? named : "traces");
  if (traces.length) open(traces.find((item) => named === `trace-${item.id}`) || traces[0]);
  else $("traces").replaceChildren(el("div", "none", "No trace has ended so far."));
  window.addEventListener("resize", () => { paintList(); paintRows(); });
  document.documentElement.dataset.ready = String(spans.length);
})();
