// The conversation of a model call, with each tool call next to its result.
function conversation(trace, call) {
  const system = messagesOf(call, "gen_ai.system_instructions");
  const messages = ["gen_ai.input.messages", "gen_ai.output.messages"].flatMap((key) => messagesOf(call, key));
  const results = new Map();
  const requested = new Set();
  for (const message of messages) {
    for (const part of objects(message.parts)) {
      if (part.type === "tool_call_response") results.set(part.id, part);
      if (part.type === "tool_call") requested.add(part.id);
    }
  }
  const toolSpans = new Map(trace.spans.filter((span) => span.kind === "tool").map((span) => [text(span, "gen_ai.tool.call.id"), span]));
  const boxes = [];
  if (system.length) boxes.push(messageBox("system", system.map((part) => partOf(part))));
  const messageList = [];
  for (const message of messages) {
    const parts = [];
    for (const part of objects(message.parts)) {
      if (part.type === "tool_call") parts.push(() => toolCall(part, results.get(part.id), toolSpans.get(part.id)));
      else if (part.type === "tool_call_response") { if (!requested.has(part.id)) parts.push(() => toolResult(part)); } else parts.push(() => partOf(part));
    }
    const role = String(message.role ?? UNKNOWN);
    const reason = message.finish_reason && !["stop", "tool_call", "tool_calls"].includes(message.finish_reason) ? String(message.finish_reason) : "";
    if (parts.length) messageList.push(() => messageBox(role, capped(parts), reason));
  }
  boxes.push(...capped(messageList));
  if (!boxes.length) boxes.push(el("div", "empty", "The captured messages are not valid JSON."));
  if (call.error !== undefined) boxes.push(el("div", "banner bad", `✗ The model call failed: ${joined([call.error, call.description], ": ")}`));
  else if (isCancelled(call)) boxes.push(el("div", "banner", "⊘ The model call was cancelled."));
  else if (call.running) boxes.push(el("div", "banner", "… The model call is running."));
  return boxes;
}

/** Makes the last items of a long list, and the others if the reader asks for them. */
function capped(makers, most = 60) {
  const hidden = makers.length - most;
  if (hidden <= 0) return makers.map((make) => make());
  const more = button("link", `Show ${integer(hidden)} earlier`, () => more.replaceWith(...makers.slice(0, hidden).map((make) => make())));
  return [more, ...makers.slice(hidden).map((make) => make())];
}

const roles = new Map([["user", "User"], ["assistant", "Assistant"], ["system", "System"], ["tool", "Tool"]]);

function messageBox(role, parts, reason) {
  const box = el("div", `message ${roles.has(role) ? role : "other"}`);
  box.append(el("div", "role", joined([roles.get(role) ?? role, reason])), ...parts);
  return attributes(box, { role: "group", "aria-label": roles.get(role) ?? role });
}

/** Prose: Markdown, or the source if the reader prefers that. */
const prose = (content) => (state.source ? el("pre", "source", content) : markdown(content));

function partOf(part) {
  if (part.type === "text") return prose(plain(part.content));
  if (part.type === "reasoning") return folded("Reasoning", prose(plain(part.content)), false, "reasoning");
  if (part.type === "blob" || part.type === "file" || part.type === "uri") {
    return el("div", "attachment", `[${joined([part.modality, part.mime_type, part.type === "uri" ? part.uri : part.file_id], ", ")}]`);
  }
  return folded(String(part.type ?? "part"), valueNode(part), true);
}

function folded(title, content, open, className) {
  const box = el("details", className || "", el("summary", "", title), content);
  box.open = open;
  return box;
}

function toolCall(part, result, span) {
  const failed = span && span.error !== undefined;
  const box = el("div", `tool-call${failed ? " failed" : ""}`);
  const given = typeof part.arguments === "string" ? part.arguments : JSON.stringify(part.arguments ?? {});
  const top = el("div", "top", el("code", "", `→ ${part.name}(${given.length > 200 ? "…" : given === "{}" ? "" : given})`), el("span", "space"));
  if (failed) top.append(el("span", "error", `✗ ${span.error}`));
  else if (span && isCancelled(span)) top.append(el("span", "", "⊘ cancelled"));
  if (span) top.append(button("link", duration(span.running ? undefined : span.duration), () => choose(span, "attributes"), `Show the span of ${part.name}`));
  box.append(top);
  if (given.length > 200) box.append(folded("Arguments", el("pre", "", plain(parsed(given) ?? part.arguments)), given.length < 2000));
  box.append(result ? toolResult(result) : el("div", "faint", "No result in these messages."));
  return box;
}

function toolResult(part) {
  // The conventions renamed this field.
  const value = part.response ?? part.result ?? null;
  const content = plain(parsed(value) ?? value);
  const element = el("pre", "", `← ${content}`);
  return content.length > 1500 ? folded(`← Result, ${plural(content.length, "character")}`, element, false) : element;
}
