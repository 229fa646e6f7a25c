/**
 * Formulas in Markdown: `$...$` and `\(...\)` in a line, `$$...$$` and `\[...\]` on their own.
 *
 * They are found before Markdown reads their backslashes. A dollar that is money is none of them: what it opens has no blank at
 * its inner ends, and neither a letter or digit before it nor a digit behind it.
 */

const PAIRS = [
  { open: "\\(", close: "\\)", display: false },
  { open: "\\[", close: "\\]", display: true },
  { open: "$$", close: "$$", display: true },
  { open: "$", close: "$", display: false, isMoney: true },
];

export function mathRules(md) {
  md.inline.ruler.before("escape", "math", inLine);
  md.block.ruler.before("fence", "math_block", onItsOwn, {
    alt: ["paragraph", "reference", "blockquote", "list"],
  });
  md.renderer.rules.math = (tokens, index) => {
    const { content, meta } = tokens[index];
    return `<span class="math${meta.display ? " display" : ""}">${md.utils.escapeHtml(content)}</span>`;
  };
  md.renderer.rules.math_block = (tokens, index) =>
    `<p class="math display">${md.utils.escapeHtml(tokens[index].content)}</p>\n`;
}

function inLine(state, silent) {
  const { src, pos } = state;
  const pair = PAIRS.find(({ open }) => src.startsWith(open, pos));
  if (!pair) return false;
  const start = pos + pair.open.length;
  const end = closing(src, start, pair, pos);
  if (end < 0 || end > state.posMax) return false;
  if (!silent) {
    const token = state.push("math", "", 0);
    token.content = src.slice(start, end).trim();
    token.meta = { display: pair.display };
  }
  state.pos = end + pair.close.length;
  return true;
}

function closing(src, start, { close, isMoney }, pos) {
  if (isMoney && (/\s/.test(src[start] ?? " ") || /[\p{L}\d]/u.test(src[pos - 1] ?? ""))) return -1;
  for (let end = src.indexOf(close, start); end > start; end = src.indexOf(close, end + 1)) {
    if (src[end - 1] === "\\" && close[0] === "$") continue; // an escaped dollar is part of it
    if (!src.slice(start, end).trim()) return -1;
    if (!isMoney) return end;
    if (!/\s/.test(src[end - 1]) && !/\d/.test(src[end + 1] ?? "")) return end;
  }
  return -1;
}

/** From a line that begins with it to one that ends with it, with no empty line between. */
function onItsOwn(state, startLine, endLine, silent) {
  const first = lineOf(state, startLine);
  const pair = PAIRS.find(({ open, display }) => display && first.startsWith(open));
  if (!pair || state.sCount[startLine] - state.blkIndent >= 4) return false;
  const lines = [];
  for (let line = startLine; line < endLine; line += 1) {
    const text = line === startLine ? first.slice(pair.open.length) : lineOf(state, line);
    if (!text.trim() && line > startLine) return false;
    const end = text.indexOf(pair.close);
    if (end < 0) {
      lines.push(text);
      continue;
    }
    if (text.slice(end + pair.close.length).trim()) return false; // a formula in a line
    lines.push(text.slice(0, end));
    return silent || push(state, startLine, line + 1, lines.join("\n").trim());
  }
  return false;
}

function push(state, startLine, nextLine, content) {
  if (!content) return false;
  const token = state.push("math_block", "", 0);
  Object.assign(token, { content, block: true, map: [startLine, nextLine] });
  state.line = nextLine;
  return true;
}

function lineOf(state, line) {
  return state.src.slice(state.bMarks[line] + state.tShift[line], state.eMarks[line]);
}
