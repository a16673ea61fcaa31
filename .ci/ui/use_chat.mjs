// Uses the web application through `useChat` of the Vercel AI SDK: text, a tool call with its result, the
// metadata, and a reload. The address is the first argument.
import assert from "node:assert/strict";
import { JSDOM } from "jsdom";

const url = process.argv[2];
const dom = new JSDOM("<div id=root></div>", { url });
globalThis.window = dom.window;
globalThis.document = dom.window.document;
Object.defineProperty(globalThis, "navigator", { value: dom.window.navigator, configurable: true });
const { createElement } = await import("react");
const { createRoot } = await import("react-dom/client");
const { useChat } = await import("@ai-sdk/react");
const { DefaultChatTransport } = await import("ai");

let chat;
let failure;
function App({ messages }) {
  chat = useChat({
    id: "use-chat-1",
    messages,
    transport: new DefaultChatTransport({ api: `${url}/chat`, body: { user: "ada" } }),
    onError: (error) => { failure = error; },
  });
  return createElement("pre", null, JSON.stringify(chat.messages));
}
async function until(condition) {
  for (let i = 0; i < 200; i++) {
    if (failure) throw failure;
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not in time: ${chat.status} ${JSON.stringify(chat.messages)}`);
}

const root = createRoot(document.getElementById("root"));
root.render(createElement(App, { messages: [] }));
await until(() => chat);
chat.sendMessage({ text: "A room for 3, please" });
await until(() => chat.status === "ready" && chat.messages.length === 2);

const answer = chat.messages[1];
const text = answer.parts.filter((part) => part.type === "text").map((part) => part.text).join("");
assert.equal(text, "The Family room would suit you: it costs 190 a night.");
const call = answer.parts.find((part) => part.type === "dynamic-tool");
assert.equal(call.toolName, "find_rooms");
assert.equal(call.state, "output-available");
assert.deepEqual(call.input, { guests: 3 });
assert.equal(call.output[0].name, "Family");
assert.equal(answer.parts.filter((part) => part.type === "step-start").length, 2);
assert.ok(answer.metadata.usage.inputTokens > 0);

chat.regenerate();
await until(() => chat.status === "ready" && chat.messages.length === 2 && chat.messages[1].id !== answer.id);

// A page that is loaded again shows the same conversation.
const stored = await (await fetch(`${url}/chat/use-chat-1`)).json();
assert.deepEqual(stored.map((message) => message.role), ["user", "assistant"]);
assert.equal(stored[1].parts.find((part) => part.type === "dynamic-tool").state, "output-available");

chat.setMessages(stored);
chat.sendMessage({ text: "And for 2?" });
await until(() => chat.status === "ready" && chat.messages.length === 4);

// A refused request is an error of the hook.
chat.sendMessage({ text: " " });
await new Promise((resolve) => setTimeout(resolve, 500));
assert.match(String(failure?.message), /1 to 4000 characters/);
console.log("useChat: text, reasoning steps, tool call, metadata, regenerate, stored messages, error");
process.exit(0);
