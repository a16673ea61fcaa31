"use strict";
// Draws the spans, which the page contains as JSON. Text is only ever set as text, never as HTML.
(() => {
  const { head, spans } = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const el = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  const plural = (count, noun) => `${integer(count)} ${noun}${count === 1 ? "" : "s"}`;
  const integer = (number) => number.toLocaleString("en-US");
  const sum = (list, value) => list.reduce((total, item) => total + (value(item) || 0), 0);

  function duration(micros) {
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
    return `${integer(input || 0)} in → ${integer(output || 0)} out`;
  }

  // The traces, newest first, each with the tree of its spans.
  const traces = [];
  {
    const byId = new Map();
    for (const span of spans) {
      if (!byId.has(span.trace)) byId.set(span.trace, { id: span.trace, spans: [] });
      byId.get(span.trace).spans.push(span);
    }
    for (const trace of byId.values()) {
      const spansById = new Map(trace.spans.map((span) => [span.id, span]));
      trace.roots = [];
      for (const span of trace.spans) span.children = [];
      for (const span of trace.spans) {
        const parent = spansById.get(span.parent);
        (parent && parent !== span ? parent.children : trace.roots).push(span);
      }
      const inOrder = (a, b) => a.start - b.start || b.duration - a.duration;
      for (const span of trace.spans) span.children.sort(inOrder);
      trace.roots.sort(inOrder);
      if (trace.roots.length === 0) trace.roots = [...trace.spans];
      trace.start = trace.spans.reduce((min, span) => Math.min(min, span.start), Infinity);
      trace.end = trace.spans.reduce((max, span) => Math.max(max, span.start + span.duration), 0);
      trace.calls = trace.spans.filter((span) => span.kind === "chat");
      trace.errors = trace.spans.filter((span) => span.error !== undefined).length;
      trace.name = trace.roots[0].name;
      const last = (list) => list[list.length - 1];
      const captured = trace.calls.filter(hasMessages).sort((a, b) => a.start + a.duration - b.start - b.duration);
      trace.conversation = captured.length ? last(captured) : undefined;
      traces.push(trace);
    }
    traces.sort((a, b) => b.start - a.start);
  }
  const calls = spans.filter((span) => span.kind === "chat");
  const toolCalls = spans.filter((span) => span.kind === "tool");
  const failed = spans.filter((span) => span.error !== undefined);
  const hasCosts = calls.some((call) => call.cost !== undefined);

  function hasMessages(span) {
    return "gen_ai.input.messages" in span.attributes || "gen_ai.output.messages" in span.attributes;
  }

  // A list that keeps only its visible rows in the document.
  function virtual(box, height, count, draw) {
    const inner = el("div", "inner");
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
    let waiting = false;
    box.onscroll = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; paint(); });
    };
    paint();
    return paint;
  }

  // The state of the page.
  let matching = traces;
  let trace;
  let chosen;
  let page = "attributes";
  let view = [0, 1];
  const closed = new Set();
  let rows = [];
  let paintList = () => {};
  let paintRows = () => {};

  function drawList() {
    paintList = virtual($("list"), 52, matching.length, (index) => {
      const item = matching[index];
      const row = el("div", item === trace ? "row chosen" : "row");
      const name = el("div", item.errors ? "name error" : "name", item.name);
      const input = sum(item.calls, (call) => call.input);
      const output = sum(item.calls, (call) => call.output);
      const cost = hasCosts ? sum(item.calls, (call) => call.cost) : 0;
      const sub = [
        clock(item.start), duration(item.end - item.start), item.errors ? plural(item.errors, "error") : "",
        item.calls.length ? tokens(input, output) : plural(item.spans.length, "span"), cost ? money(cost) : "",
      ];
      row.append(name, el("div", "sub", sub.filter(Boolean).join(" · ")));
      row.onclick = () => open(item);
      return row;
    });
    if (matching.length === 0) $("list").replaceChildren(el("div", "empty", "No matching traces."));
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
      item.id.slice(0, 8), duration(item.end - item.start), plural(item.spans.length, "span"),
      item.calls.length ? tokens(input, output) : "",
      hasCosts ? money(sum(item.calls, (call) => call.cost)) : "",
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
      for (let index = span.children.length - 1; index >= 0; index--) stack.push([span.children[index], level + 1]);
    }
    drawAxis();
    paintRows = virtual($("waterfall"), 26, rows.length, drawRow);
  }

  const share = (micros) => (100 * (micros - view[0])) / (view[1] - view[0]);

  function drawRow(index) {
    const [span, level] = rows[index];
    const row = el("div", `row${span === chosen ? " chosen" : ""}${span.error !== undefined ? " failed" : ""}`);
    const label = el("div", "label");
    label.style.paddingLeft = `${8 + 16 * Math.min(level, 12)}px`;
    const twist = el("button", "twist", span.children.length ? (closed.has(span) ? "▸" : "▾") : "");
    twist.type = "button";
    twist.tabIndex = -1;
    twist.onclick = (event) => {
      event.stopPropagation();
      if (!span.children.length) return;
      if (!closed.delete(span)) closed.add(span);
      const top = $("waterfall").scrollTop;
      drawTrace();
      $("waterfall").scrollTop = top;
      paintRows();
    };
    const hidden = closed.has(span) ? ` (+${descendants(span)})` : "";
    label.append(twist, el("span", `dot ${span.kind}`), el("span", "name", span.name + hidden), el("span", "duration", duration(span.duration)));
    const track = el("div", "track");
    const start = span.start - trace.start;
    const left = share(start);
    const width = share(start + span.duration) - left;
    const block = el("div", `block ${span.kind}${span.error !== undefined ? " bad" : ""}`);
    block.style.left = `${left}%`;
    block.style.width = `${width}%`;
    if (span.firstChunk !== undefined && span.duration > 0 && span.firstChunk < span.duration) {
      const wait = el("div", "to-first-chunk");
      wait.style.width = `${(100 * span.firstChunk) / span.duration}%`;
      wait.title = `Time to first chunk: ${duration(span.firstChunk)}`;
      block.append(wait);
    }
    const facts = [
      span.error !== undefined ? `✗ ${span.error}` : "",
      span.kind === "chat" ? tokens(span.input, span.output) : "",
      span.cost !== undefined ? money(span.cost) : "",
    ].filter(Boolean).join("  ");
    track.append(block);
    if (facts) {
      const note = el("div", "note", facts);
      const right = left + width;
      // After the bar if there is room, else before it, else on it.
      if (right < 78) note.style.left = `${Math.max(right, 0)}%`;
      else if (left > 25) note.style.right = `${100 - left}%`;
      else { note.style.right = "0"; note.style.color = "var(--back)"; note.style.fontWeight = "600"; note.classList.add("on"); }
      track.append(note);
    }
    row.append(label, track);
    row.onclick = () => { chosen = span; if (page === "conversation" && !hasMessages(span) && span.kind !== "agent") page = "attributes"; paintRows(); drawDetails(); };
    return row;
  }

  function descendants(span) {
    let count = 0;
    const stack = [...span.children];
    while (stack.length) { count++; stack.push(...stack.pop().children); }
    return count;
  }

  function drawAxis() {
    const axis = $("axis");
    const length = view[1] - view[0];
    const minStep = length / 8;
    const power = 10 ** Math.floor(Math.log10(minStep));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= minStep) || minStep;
    const ticks = [];
    for (let at = Math.ceil(view[0] / step) * step; at < view[1]; at += step) {
      const tick = el("div", "tick", duration(at));
      tick.style.left = `${share(at)}%`;
      if (share(at) < 94) ticks.push(tick);
    }
    axis.replaceChildren(...ticks);
  }

  function zoom(from, to) {
    const total = Math.max(1, trace.end - trace.start);
    const length = Math.max(1, Math.min(total, to - from));
    const start = Math.max(0, Math.min(total - length, from));
    view = [start, start + length];
    drawAxis();
    paintRows();
  }
  function zoomBy(factor, position) {
    const middle = position === undefined ? (view[0] + view[1]) / 2 : position;
    zoom(middle - (middle - view[0]) * factor, middle + (view[1] - middle) * factor);
  }
  $("in").onclick = () => zoomBy(0.5);
  $("out").onclick = () => zoomBy(2);
  $("fit").onclick = () => zoom(0, trace.end - trace.start);
  $("collapse").onclick = () => {
    if (closed.size) closed.clear();
    else for (const root of trace.roots) for (const span of root.children) if (span.children.length) closed.add(span);
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
    const current = rows.findIndex(([span]) => span === chosen);
    const select = (index) => {
      if (!rows[index]) return;
      [chosen] = rows[index];
      const box = $("waterfall");
      if (index * 26 < box.scrollTop) box.scrollTop = index * 26;
      if ((index + 1) * 26 > box.scrollTop + box.clientHeight) box.scrollTop = (index + 1) * 26 - box.clientHeight;
      paintRows();
      drawDetails();
    };
    const action = {
      "+": () => zoomBy(0.5), "-": () => zoomBy(2), 0: () => zoom(0, trace.end - trace.start),
      ArrowDown: () => select(current + 1), ArrowUp: () => select(current - 1),
    }[event.key];
    if (action && location.hash !== "#models") { event.preventDefault(); action(); }
  });

  // The details of the chosen span.
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
    else if (page === "events") for (const event of span.events) box.append(el("h2", "", `${event.name} at ${duration(event.at)}`), facts(event.attributes));
    else box.append(facts({
      name: span.name, start: duration(span.start - trace.start), duration: duration(span.duration),
      ...(span.firstChunk === undefined ? {} : { "time to first chunk": duration(span.firstChunk) }),
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

  // The captured messages.
  const objects = (list) => (Array.isArray(list) ? list.filter((item) => item !== null && typeof item === "object") : []);
  function conversation(call) {
    const parsed = (key) => { try { return objects(JSON.parse(call.attributes[key])); } catch { return []; } };
    const messages = [];
    const system = parsed("gen_ai.system_instructions");
    if (system.length) messages.push(message("system", system));
    for (const key of ["gen_ai.input.messages", "gen_ai.output.messages"]) {
      for (const item of parsed(key)) messages.push(message(String(item.role), objects(item.parts), item.finish_reason));
    }
    return messages.length ? messages : [el("div", "empty", "The captured messages are not valid JSON.")];
  }
  function message(role, parts, reason) {
    const box = el("div", `message ${role === "tool" ? "tool-result" : role === "user" || role === "assistant" ? role : ""}`);
    box.append(el("div", "role", reason ? `${role} · ${reason}` : role));
    const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
    for (const part of parts) {
      const text = (tag, value) => el(tag, tag === "div" ? "text" : "", plain(value));
      if (part.type === "text") box.append(text("div", part.content));
      else if (part.type === "reasoning") box.append(el("div", "text role", plain(part.content)));
      else if (part.type === "tool_call") box.append(text("code", `→ ${part.name}(${plain(part.arguments)})`));
      else if (part.type === "tool_call_response") box.append(text("code", `← ${plain(part.response ?? part.result ?? null)}`));
      else if (part.type === "blob") box.append(text("code", `[${part.modality}, ${part.mime_type}]`));
      else box.append(text("code", part));
    }
    return box;
  }

  // Tables that are sorted by the clicked column.
  function table(section, columns, items, emptyText) {
    let sorted = columns.findIndex((column) => column.first);
    let descending = true;
    const draw = () => {
      if (!items.length) { section.replaceChildren(el("div", "empty", emptyText)); return; }
      const value = columns[sorted].value;
      items.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (descending ? -1 : 1));
      const top = el("tr");
      columns.forEach((column, index) => {
        const button = el("button", "", column.title + (index === sorted ? (descending ? " ↓" : " ↑") : ""));
        button.type = "button";
        button.onclick = () => { descending = sorted === index ? !descending : true; sorted = index; draw(); };
        top.append(el("th", column.number ? "number" : "", button));
      });
      const rows = items.map((item) => {
        const row = el("tr");
        for (const column of columns) row.append(el("td", `${column.number ? "number" : ""}${column.bad && column.bad(item) ? " error" : ""}`, (column.show || column.value)(item)));
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
      const times = items.map((item) => item.duration).sort((a, b) => a - b);
      const firstChunks = items.filter((item) => item.firstChunk !== undefined).map((item) => item.firstChunk).sort((a, b) => a - b);
      const quantile = (list, share) => (list.length ? list[Math.min(list.length - 1, Math.floor(list.length * share))] : undefined);
      return {
        name, items, count: items.length, errors: items.filter((item) => item.error !== undefined).length,
        total: sum(items, (item) => item.duration), median: quantile(times, 0.5), p95: quantile(times, 0.95), longest: times[times.length - 1],
        firstChunk: quantile(firstChunks, 0.5), input: sum(items, (item) => item.input), cached: sum(items, (item) => item.cached),
        output: sum(items, (item) => item.output), cost: sum(items, (item) => item.cost),
      };
    });
  }
  const number = (title, value, show, more) => ({ title, value, show: show && ((item) => (value(item) === undefined ? "–" : show(value(item)))), number: true, ...more });
  const common = [
    number("Calls", (item) => item.count, integer),
    number("Errors", (item) => item.errors, integer, { bad: (item) => item.errors > 0 }),
    number("Total time", (item) => item.total, duration, { first: true }),
    number("Median", (item) => item.median, duration),
    number("95th percentile", (item) => item.p95, duration),
    number("Longest", (item) => item.longest, duration),
  ];
  table($("models"), [
    { title: "Model", value: (item) => item.name }, ...common,
    number("Median time to first chunk", (item) => item.firstChunk, duration),
    number("Input tokens", (item) => item.input, integer), number("Cached tokens", (item) => item.cached, integer),
    number("Output tokens", (item) => item.output, integer),
    ...(hasCosts ? [number("Cost", (item) => item.cost, money)] : []),
  ], grouped(calls, (call) => call.model || "unknown"), "No model calls.");
  table($("tools"), [{ title: "Tool", value: (item) => item.name }, ...common], grouped(toolCalls, (call) => call.tool || call.name), "No tool calls.");
  const lastOf = (item) => item.items.reduce((a, b) => (a.start > b.start ? a : b));
  table($("errors"), [
    { title: "Error", value: (item) => item.items[0].error, bad: () => true }, { title: "Span", value: (item) => item.items[0].name },
    number("Count", (item) => item.count, integer, { first: true }),
    { title: "Last", value: (item) => lastOf(item).start, show: (item) => {
      const span = lastOf(item);
      const button = el("button", "link", clock(span.start));
      button.type = "button";
      button.onclick = () => { tab("traces"); open(traces.find((item) => item.id === span.trace), span); };
      return button;
    } },
  ], grouped(failed, (span) => `${span.error}\n${span.name}`), "No errors.");

  // Totals, tabs, theme.
  $("service").textContent = head.service ? `of ${head.service}` : "";
  $("written").textContent = `Written ${new Date(head.written).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  if (head.dropped) { $("dropped").hidden = false; $("dropped").textContent = `Dropped the oldest ${plural(head.dropped, "span")} to limit the size of this report.`; }
  const input = sum(calls, (call) => call.input);
  const cached = sum(calls, (call) => call.cached);
  for (const [title, text, bad] of [
    ["Traces", integer(traces.length)], ["Spans", integer(spans.length)], ["Model calls", integer(calls.length)],
    ["Tool calls", integer(toolCalls.length)], ["Input tokens", integer(input) + (cached ? ` (${integer(cached)} cached)` : "")],
    ["Output tokens", integer(sum(calls, (call) => call.output))],
    ...(hasCosts ? [["Cost", money(sum(calls, (call) => call.cost))]] : []),
    ["Errors", integer(failed.length), failed.length > 0],
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
  const requested = new URLSearchParams(location.search).get("theme");
  let theme = Math.max(0, themes.indexOf(requested));
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
    matching = traces.filter((item) => words.every((word) => text(item).includes(word)));
    drawList();
  };
  drawList();
  const fragment = location.hash.slice(1);
  tab(["models", "tools", "errors"].includes(fragment) ? fragment : "traces");
  if (traces.length) open(traces.find((item) => fragment === `trace-${item.id}`) || traces[0]);
  else $("traces").replaceChildren(el("div", "empty", "No finished traces."));
  window.addEventListener("resize", () => { paintList(); paintRows(); });
  document.documentElement.dataset.ready = String(spans.length);
})();
