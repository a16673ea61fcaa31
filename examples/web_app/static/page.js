// The page of the chat. The server keeps the conversations; this browser keeps the list of their ids.
import { render } from "./markdown.js";

const user = new URLSearchParams(location.search).get("user") || "guest";
const talk = document.getElementById("talk");
const form = document.querySelector("form");
const [send, stop] = [document.getElementById("send"), document.getElementById("stop")];

const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
let conversations = JSON.parse(localStorage.getItem("conversations") ?? "[]");
let current = newId();
let running = null;

function save(title) {
  if (!conversations.some(({ id }) => id === current)) {
    conversations.unshift({ id: current, title });
    conversations = conversations.slice(0, 50);
    localStorage.setItem("conversations", JSON.stringify(conversations));
  }
  list();
}

function list() {
  const nav = document.getElementById("conversations");
  nav.replaceChildren(...conversations.map(({ id, title }) => {
    const button = Object.assign(document.createElement("button"), { textContent: title, type: "button" });
    button.setAttribute("aria-current", String(id === current));
    button.onclick = () => open(id);
    return button;
  }));
}

async function open(id) {
  running?.abort();
  current = id;
  talk.replaceChildren();
  list();
  const messages = await (await fetch(`/chat/${encodeURIComponent(id)}`)).json();
  if (current !== id) return;
  for (const { role, parts } of messages) {
    const message = new Message(role);
    for (const part of parts) message.show(part);
  }
}

/** A message on the page. Its parts are nodes that are updated as the stream goes on. */
class Message {
  constructor(role) {
    this.row = talk.appendChild(document.createElement("div"));
    this.row.className = role;
    this.tools = new Map();
    this.texts = new Map();
  }

  text(id, className) {
    if (!this.texts.has(id)) {
      const node = className === "reasoning" ? foldable("Reasoning") : document.createElement("div");
      node.classList.add(className);
      this.row.append(node);
      this.texts.set(id, { node, text: "" });
    }
    return this.texts.get(id);
  }

  append(id, piece, className = "text") {
    const part = this.text(id, className);
    part.text += piece;
    const markdown = this.row.className === "assistant" && className === "text";
    if (className === "reasoning") part.node.lastChild.textContent = part.text;
    else part.node.replaceChildren(markdown ? render(part.text) : part.text);
  }

  tool(id, name, changes) {
    if (!this.tools.has(id)) {
      const node = foldable(name);
      this.row.append(node);
      this.tools.set(id, { node, name });
    }
    const tool = Object.assign(this.tools.get(id), changes);
    const state = tool.error !== undefined ? "failed" : tool.output !== undefined && !tool.preliminary ? "done" : "running";
    tool.node.className = state;
    tool.node.firstChild.textContent = `${tool.name} · ${state}`;
    const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
    tool.node.lastChild.textContent = [tool.input, tool.output, tool.error].filter((v) => v !== undefined).map(shown).join("\n\n");
  }

  /** Shows a part of a stored message. */
  show(part) {
    const id = String(this.texts.size);
    if (part.type === "text") this.append(id, part.text);
    else if (part.type === "reasoning") this.append(id, part.text, "reasoning");
    else if (part.type === "dynamic-tool") this.tool(part.toolCallId, part.toolName, { input: part.input, output: part.output, error: part.errorText });
  }

  /** Shows a chunk of the stream. */
  chunk(chunk) {
    switch (chunk.type) {
      case "text-delta": return this.append(chunk.id, chunk.delta);
      case "reasoning-delta": return this.append(chunk.id, chunk.delta, "reasoning");
      case "tool-input-available": return this.tool(chunk.toolCallId, chunk.toolName, { input: chunk.input });
      case "tool-output-available": return this.tool(chunk.toolCallId, "", { output: chunk.output, preliminary: chunk.preliminary });
      case "tool-output-error": return this.tool(chunk.toolCallId, "", { error: chunk.errorText });
      case "error": throw new Error(chunk.errorText);
    }
  }

  note(text, className) {
    this.row.append(Object.assign(document.createElement("div"), { className, textContent: text }));
  }

  feedback(reply) {
    const buttons = this.row.appendChild(document.createElement("nav"));
    for (const [label, good] of [["Helpful", true], ["Not helpful", false]]) {
      const button = buttons.appendChild(Object.assign(document.createElement("button"), { textContent: label, type: "button" }));
      button.onclick = async () => {
        await fetch("/feedback", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ reply, good }) });
        for (const other of buttons.children) other.setAttribute("aria-pressed", String(other === button));
      };
    }
  }
}

function foldable(title) {
  const details = document.createElement("details");
  details.append(Object.assign(document.createElement("summary"), { textContent: title }), document.createElement("pre"));
  return details;
}

async function* chunks(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const events = buffer.split("\n\n");
    buffer = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

async function ask(text) {
  const question = new Message("user");
  question.append("0", text);
  save(text.slice(0, 60));
  const answer = new Message("assistant");
  answer.row.scrollIntoView({ block: "end" });
  const aborting = (running = new AbortController());
  [send.hidden, stop.hidden] = [true, false];
  const started = performance.now();
  try {
    const response = await fetch("/chat", {
      method: "POST",
      headers: { "content-type": "application/json" },
      signal: aborting.signal,
      body: JSON.stringify({ id: current, user, trigger: "submit-message", messages: [{ id: newId(), role: "user", parts: [{ type: "text", text }] }] }),
    });
    if (!response.ok) throw new Error(await response.text());
    for await (const chunk of chunks(response)) {
      answer.chunk(chunk);
      if (chunk.type === "finish") {
        const { usage, model, reply } = chunk.messageMetadata;
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        const tokens = `${usage.inputTokens ?? "—"} → ${usage.outputTokens ?? "—"} tokens`;
        answer.note([model, tokens, `${seconds} s`].filter(Boolean).join(" · "), "facts");
        answer.feedback(reply);
      }
      answer.row.scrollIntoView({ block: "end" });
    }
  } catch (error) {
    if (error.name === "AbortError") answer.note("Stopped.", "facts");
    else answer.note(error.message, "error");
  }
  if (running === aborting) {
    running = null;
    [send.hidden, stop.hidden] = [false, true];
  }
}

form.onsubmit = (event) => {
  event.preventDefault();
  const text = form.text.value.trim();
  if (!text || running) return;
  form.text.value = "";
  ask(text);
};
form.text.onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
};
stop.onclick = () => running?.abort();
document.getElementById("new").onclick = () => {
  running?.abort();
  current = newId();
  talk.replaceChildren();
  list();
  form.text.focus();
};

list();
// After a reload, the last conversation is shown. A link can contain a question: /?ask=A%20room%20for%203
const linked = new URLSearchParams(location.search).get("ask");
if (linked) ask(linked);
else if (conversations.length) open(conversations[0].id);
