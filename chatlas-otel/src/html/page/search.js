// Searches, groups and sorts the traces.
const fields = {
  user: (trace) => [trace.user], session: (trace) => [trace.session], conversation: (trace) => [trace.conversation],
  agent: (trace) => trace.agents, model: (trace) => trace.models,
  tool: (trace) => trace.spans.filter((span) => span.kind === "tool").map((span) => span.tool || span.name),
  error: (trace) => trace.spans.map((span) => span.error), status: (trace) => [statusOf(trace)],
  feedback: (trace) => trace.feedback.map((item) => `${item.name} ${feedbackText(item)} ${item.explanation ?? ""}`),
  trace: (trace) => [trace.id],
};

/** Splits a query into words, quoted phrases, and pairs such as user:ada. */
function parseQuery(query) {
  const terms = [];
  for (const [, field, quoted, word] of query.matchAll(/(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))/gi)) {
    const value = (quoted ?? word).toLowerCase();
    const name = field?.toLowerCase();
    if (name && Object.hasOwn(fields, name)) terms.push({ name, value });
    else if (value || field) terms.push({ value: field ? `${field.toLowerCase()}:${value}` : value });
  }
  return terms;
}

function haystack(trace) {
  if (trace.haystack === undefined) {
    const words = new Set([titleOf(trace), trace.user, trace.session, trace.conversation, statusOf(trace), ...fields.feedback(trace)]);
    for (const span of trace.spans) {
      for (const word of [span.name, span.model, span.tool, span.error, span.description]) words.add(word);
      for (const [key, value] of Object.entries(span.attributes)) if (typeof value === "string" && value.length < 200 || key === "chatlas.tags") words.add(String(value));
    }
    words.delete(undefined);
    trace.haystack = [...words].join("\n").toLowerCase();
  }
  return trace.haystack;
}

/** Whether the captured messages of a trace contain the words. They are searched in place, because they are large. */
function inMessages(trace, pattern) {
  const keys = ["gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"];
  return trace.spans.some((span) => keys.some((key) => typeof span.attributes[key] === "string" && pattern.test(span.attributes[key])));
}

function search(query) {
  const terms = parseQuery(query);
  for (const term of terms) {
    // In the messages, quotes are escaped as JSON.
    const literal = JSON.stringify(term.value).slice(1, -1).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    term.pattern = new RegExp(literal, "i");
  }
  return (trace) => terms.every(({ name, value, pattern }) => {
    if (name) return fields[name](trace).some((item) => item !== undefined && String(item).toLowerCase().includes(value));
    return haystack(trace).includes(value) || inMessages(trace, pattern) || (value.length > 5 && trace.id.startsWith(value));
  });
}

const groupings = {
  user: ["User", fields.user], session: ["Session", fields.session], conversation: ["Conversation", fields.conversation],
  agent: ["Agent", fields.agent], model: ["Model", fields.model],
  error: ["Error", (trace) => trace.failures.map((span) => span.error)], status: ["Status", fields.status],
};

const sortings = {
  newest: ["Newest first", (trace) => trace.start], slowest: ["Slowest first", (trace) => trace.end - trace.start],
  cost: ["Most expensive first", (trace) => trace.usage.cost ?? -1],
  tokens: ["Most tokens first", (trace) => (trace.usage.input ?? 0) + (trace.usage.output ?? 0)],
  errors: ["Most errors first", (trace) => trace.failures.length],
};

/** Returns the groups of the traces, in the order of their first trace, the one without a name last. A trace may be in several. */
function grouped(list, by) {
  const groups = new Map();
  for (const trace of list) {
    const names = [...new Set(groupings[by][1](trace).filter(Boolean))];
    for (const name of names.length ? names : [UNKNOWN]) append(groups, name, trace);
  }
  const others = groups.get(UNKNOWN);
  groups.delete(UNKNOWN);
  return [...groups, ...(others ? [[UNKNOWN, others]] : [])].map(([name, items]) => ({ name, items }));
}
