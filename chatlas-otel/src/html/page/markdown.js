// Markdown as DOM nodes. HTML in the text is text, images are links, and only links to the web are links.
const MAX_DEPTH = 8;

function markdown(source) {
  const box = el("div", "markdown");
  // A text of this size is data, not prose.
  if (source.length > 200_000) box.append(el("pre", "", source));
  else blocks(source.replace(/\r\n?/g, "\n").split("\n"), box, 0);
  return box;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])(\s+)(.*)$/;
const TABLE_RULE = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

const startsBlock = (line) => FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line);

function blocks(lines, box, depth) {
  if (depth > MAX_DEPTH) { box.append(el("p", "", lines.join("\n"))); return; }
  let index = 0;
  while (index < lines.length) {
    const line = lines[index];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (!line.trim()) index++;
    else if (fence) index = code(lines, index, fence, box);
    else if (heading) {
      const title = el("p", `heading level-${heading[1].length}`);
      inline(heading[2], title, 0);
      box.append(title);
      index++;
    } else if (RULE.test(line)) { box.append(el("hr")); index++; }
    else if (QUOTE.test(line)) {
      const quoted = [];
      while (index < lines.length && QUOTE.test(lines[index])) quoted.push(QUOTE.exec(lines[index++])[1]);
      const quote = el("blockquote");
      blocks(quoted, quote, depth + 1);
      box.append(quote);
    } else if (ITEM.test(line)) index = list(lines, index, box, depth);
    else if (line.includes("|") && index + 1 < lines.length && lines[index + 1].includes("-") && TABLE_RULE.test(lines[index + 1])) index = tableOf(lines, index, box);
    else {
      const paragraph = [];
      do paragraph.push(lines[index++]); while (index < lines.length && lines[index].trim() && !startsBlock(lines[index]));
      const element = el("p");
      inline(paragraph.join("\n"), element, 0);
      box.append(element);
    }
  }
}

function code(lines, index, fence, box) {
  const content = [];
  const end = (line) => { const close = /^ {0,3}(`{3,}|~{3,})\s*$/.exec(line); return close && close[1].startsWith(fence[1]); };
  index++;
  while (index < lines.length && !end(lines[index])) content.push(lines[index++]);
  box.append(attributes(el("pre", "", el("code", "", content.join("\n"))), { tabindex: 0, "aria-label": `Code ${fence[2]}`.trim(), role: "group" }));
  return index + 1;
}

function list(lines, index, box, depth) {
  const first = ITEM.exec(lines[index]);
  const isOrdered = (marker) => /\d/.test(marker);
  const element = el(isOrdered(first[2]) ? "ol" : "ul");
  if (isOrdered(first[2])) element.start = parseInt(first[2], 10);
  while (index < lines.length) {
    const item = ITEM.exec(lines[index]);
    if (!item || item[1].length > first[1].length + 3 || item[1].length < first[1].length || isOrdered(item[2]) !== isOrdered(first[2])) break;
    const margin = item[1].length + item[2].length + 1;
    const content = [item[4]];
    index++;
    while (index < lines.length) {
      const line = lines[index];
      const indent = line.length - line.trimStart().length;
      const nested = ITEM.exec(line);
      if (!line.trim()) {
        // A blank line continues the item if the next line is indented.
        const next = lines[index + 1] ?? "";
        if (!next.trim() || next.length - next.trimStart().length < margin) break;
        content.push("");
      } else if (indent >= margin || (nested && nested[1].length > item[1].length + 1)) content.push(line.slice(Math.min(indent, margin)));
      else if (startsBlock(line)) break;
      else content.push(line.trimStart());
      index++;
    }
    const entry = el("li");
    if (content.length === 1) inline(content[0], entry, 0);
    else blocks(content, entry, depth + 1);
    element.append(entry);
    // Blank lines between items belong to the list.
    if (index < lines.length && !lines[index].trim() && ITEM.test(lines[index + 1] ?? "")) index++;
  }
  box.append(element);
  return index;
}

function tableOf(lines, index, box) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"));
  const row = (tag, line) => {
    const element = el("tr");
    for (const content of cells(line).slice(0, 50)) { const cell = el(tag); inline(content, cell, 0); element.append(cell); }
    return element;
  };
  const table = el("table", "", row("th", lines[index]));
  index += 2;
  while (index < lines.length && lines[index].includes("|")) table.append(row("td", lines[index++]));
  box.append(attributes(el("div", "wide", table), { tabindex: 0, role: "group", "aria-label": "Table" }));
  return index;
}

// Each repetition is bounded, so that no text takes more than linear time.
const INLINE = new RegExp([
  /\\([\\`*_{}[\]()#+\-.!~|<>])/, // 1: escaped
  /(`{1,4})([^\n]{1,1000}?)\2(?!`)/, // 3: code
  /!?\[([^\]\n]{0,500})\]\(\s?<?([^\s()<>]{0,1000}(?:\([^\s()<>]{0,200}\)[^\s()<>]{0,200})?)>?(?:\s"[^"\n]{0,200}")?\s?\)/, // 4, 5: link
  /\*\*(?=\S)([^\n]{1,1000}?\S|\S)\*\*/, // 6: strong
  /(?<!\w)__(?=\S)([^\n]{1,1000}?\S|\S)__(?!\w)/, // 7: strong
  /\*(?=[^\s*])([^*\n]{0,1000}[^\s*])\*/, // 8: emphasis
  /(?<!\w)_(?=[^\s_])([^_\n]{0,1000}[^\s_])_(?!\w)/, // 9: emphasis
  /~~(?=\S)([^\n]{1,1000}?)~~/, // 10: deleted
  /(https?:\/\/[^\s<>"'`)\]]{1,1000})/, // 11: address
].map((part) => part.source).join("|"), "g");

function inline(source, box, depth) {
  let end = 0;
  for (const match of depth > MAX_DEPTH ? [] : source.matchAll(INLINE)) {
    box.append(visible(source.slice(end, match.index)));
    end = match.index + match[0].length;
    const nested = (tag, content) => { const element = el(tag); inline(content, element, depth + 1); box.append(element); };
    if (match[1] !== undefined) box.append(match[1]);
    else if (match[3] !== undefined) box.append(el("code", "", match[3].trim() || match[3]));
    else if (match[5] !== undefined) box.append(link(match[5], match[4], match[0]));
    else if (match[6] !== undefined || match[7] !== undefined) nested("strong", match[6] ?? match[7]);
    else if (match[8] !== undefined || match[9] !== undefined) nested("em", match[8] ?? match[9]);
    else if (match[10] !== undefined) nested("del", match[10]);
    else {
      const address = match[11].replace(/[.,;:!?]+$/, "");
      box.append(link(address, address, match[0]), match[11].slice(address.length));
    }
  }
  box.append(visible(source.slice(end)));
}

/** Returns a link to the web or to a mail address, else the source of the link as text. */
function link(address, label, source) {
  if (!/^(?:https?:\/\/|mailto:)/i.test(address)) return document.createTextNode(visible(source));
  const element = el("a", "", label || address);
  return attributes(element, { href: address, target: "_blank", rel: "noopener noreferrer nofollow", title: address });
}
