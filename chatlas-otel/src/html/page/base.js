// Elements, and numbers for people. Text of the data is only ever set as text, never as HTML.
const $ = (id) => document.getElementById(id);

/** Characters that are invisible or change the direction of text, which can hide or disguise it. The joiners of emoji
 *  and scripts are kept. */
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** Shows hidden characters as escapes. */
const visible = (text) => String(text).replace(HIDDEN, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) {
    if (child instanceof Node) element.append(child);
    else if (child !== null && child !== undefined && child !== "") element.append(visible(child));
  }
  return element;
}

function button(className, text, onclick, label) {
  const element = el("button", className, text);
  element.type = "button";
  element.onclick = onclick;
  if (label) { element.title = label; element.setAttribute("aria-label", label); }
  return element;
}

function attributes(element, pairs) {
  for (const [name, value] of Object.entries(pairs)) {
    if (value === undefined || value === null) element.removeAttribute(name);
    else element.setAttribute(name, value);
  }
  return element;
}

/** Shown for a value that is unknown. It is never shown as 0. */
const UNKNOWN = "—";

const { format } = new Intl.NumberFormat("en-US");
const integer = (number) => (number === undefined ? UNKNOWN : format(number));
const plural = (count, noun) => `${integer(count)} ${noun}${count === 1 ? "" : "s"}`;
const joined = (parts, separator = " · ") => parts.filter(Boolean).join(separator);

/** The sum of the defined values, or undefined if there are none. */
function sum(list, value) {
  let total;
  for (const item of list) {
    const part = value(item);
    if (typeof part === "number") total = (total ?? 0) + part;
  }
  return total;
}

function duration(micros) {
  if (micros === undefined) return UNKNOWN;
  if (micros === 0) return "0";
  if (micros < 1000) return `${Math.round(micros)} µs`;
  if (micros < 1e6) return `${(micros / 1e3).toFixed(micros < 1e4 ? 1 : 0)} ms`;
  if (micros < 6e7) return `${(micros / 1e6).toFixed(2)} s`;
  const seconds = Math.round(micros / 1e6);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function money(cost) {
  if (cost === undefined) return UNKNOWN;
  const digits = cost === 0 ? 0 : [0.995, 0.0995, 0.00995, 0.000995, 0].findIndex((least) => cost >= least) + 2;
  return `${head.currency}${head.currency.length > 1 ? " " : ""}${cost.toFixed(digits)}`;
}

function tokens(input, output) {
  if (input === undefined && output === undefined) return `${UNKNOWN} tokens`;
  return `${integer(input)} in → ${integer(output)} out`;
}

const pad = (number) => String(number).padStart(2, "0");

function day(micros) {
  const date = new Date(micros / 1000);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

function clock(micros) {
  const date = new Date(micros / 1000);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** The time of day, with the date if it is not that of the newest trace. */
const moment = (micros) => (day(micros) === day(newest()) ? clock(micros) : `${day(micros)} ${clock(micros)}`);

function parsed(text) {
  if (typeof text !== "string" || !/^\s*[[{]/.test(text)) return undefined;
  try { return JSON.parse(text); } catch { return undefined; }
}

const objects = (list) => (Array.isArray(list) ? list.filter((item) => item !== null && typeof item === "object") : []);
const plain = (value) => (typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value, null, 2));

/** Adds an item to the list of a key. */
function append(map, key, item) {
  const list = map.get(key);
  if (list) list.push(item);
  else map.set(key, [item]);
}

/** Runs a function at most once per frame. */
function perFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; work(); });
  };
}
