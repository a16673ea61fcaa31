// Renders the Markdown that models write as DOM nodes. Text is never parsed as HTML, and links have
// `http` and `https` addresses only, so that nothing in an answer runs.

/** Returns the nodes of a Markdown text. */
export function render(text) {
  const root = document.createDocumentFragment();
  const lines = text.split("\n");
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) root.append(element("p", inline(paragraph.join("\n"))));
    paragraph = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const fence = line.match(/^\s*(`{3,}|~{3,})/);
    if (fence) {
      flush();
      const code = [];
      while (++i < lines.length && !lines[i].trimStart().startsWith(fence[1])) code.push(lines[i]);
      root.append(element("pre", [element("code", [code.join("\n")])]));
      continue;
    }
    const heading = line.match(/^(#{1,6})\s+(.*)/);
    if (heading) {
      flush();
      root.append(element(`h${Math.min(6, heading[1].length + 2)}`, inline(heading[2])));
      continue;
    }
    const item = line.match(/^\s*([-*+]|\d+[.)])\s+(.*)/);
    if (item) {
      flush();
      const kind = /\d/.test(item[1]) ? "ol" : "ul";
      let list = root.lastChild;
      if (!list || list.nodeName.toLowerCase() !== kind || lines[i - 1]?.trim() === "") {
        list = root.appendChild(document.createElement(kind));
      }
      list.append(element("li", inline(item[2])));
      continue;
    }
    if (line.trim() === "") flush();
    else paragraph.push(line);
  }
  flush();
  return root;
}

function element(name, children) {
  const node = document.createElement(name);
  node.append(...children);
  return node;
}

/** Returns the nodes of a text without blocks. */
function inline(text) {
  const nodes = [];
  const pattern = /`([^`]+)`|\*\*([^*]+)\*\*|(?<![\w*])\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    nodes.push(text.slice(end, match.index));
    const [whole, code, strong, emphasis, label, url] = match;
    if (code !== undefined) nodes.push(element("code", [code]));
    else if (strong !== undefined) nodes.push(element("strong", [strong]));
    else if (emphasis !== undefined) nodes.push(element("em", [emphasis]));
    else {
      const link = element("a", [label]);
      link.href = url;
      link.rel = "noopener noreferrer";
      link.target = "_blank";
      nodes.push(link);
    }
    end = match.index + whole.length;
  }
  nodes.push(text.slice(end));
  return nodes;
}
