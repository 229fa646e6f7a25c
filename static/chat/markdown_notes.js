/**
 * Two things that models write and CommonMark does not know: task lists, and footnotes (`[^1]` and `[^1]: ...`). A note stands
 * where it was written, most often at the end.
 */

const DEFINITION = /^\[\^([^\]\s]{1,32})\]:[ \t]*/;
const REFERENCE = /^\[\^([^\]\s]{1,32})\]/;
const TASK = /^\[([ xX])\][ \t]+/;

export function noteRules(md) {
  const { escapeHtml } = md.utils;
  md.core.ruler.after("inline", "tasks", tasks);
  md.renderer.rules.task_box = () => '<span class="task-box"></span>';
  md.inline.ruler.before("link", "note_reference", reference);
  md.renderer.rules.note_reference = (tokens, index) =>
    `<sup class="note-reference">${escapeHtml(tokens[index].content)}</sup>`;
  md.block.ruler.before("reference", "note", definition, { alt: ["paragraph", "reference"] });
  md.renderer.rules.note_label = (tokens, index) =>
    `<sup class="note-label">${escapeHtml(tokens[index].content)}</sup> `;
}

function tasks({ tokens }) {
  tokens.forEach((token, index) => {
    const item = tokens[index - 2];
    const match = token.type === "inline" && item?.type === "list_item_open" && TASK.exec(token.content);
    const first = match && token.children?.[0];
    if (first?.type !== "text") return;
    first.content = first.content.slice(match[0].length);
    token.children.unshift(new token.constructor("task_box", "", 0));
    item.attrJoin("class", match[1] === " " ? "task" : "task done");
  });
}

function reference(state, silent) {
  const match = REFERENCE.exec(state.src.slice(state.pos, state.pos + 36));
  if (!match) return false;
  if (!silent) state.push("note_reference", "", 0).content = match[1];
  state.pos += match[0].length;
  return true;
}

/** One paragraph: to an empty line, or to the next note. */
function definition(state, startLine, endLine, silent) {
  const first = lineOf(state, startLine);
  const match = DEFINITION.exec(first);
  if (!match || state.sCount[startLine] - state.blkIndent >= 4) return false;
  if (silent) return true;
  const lines = [first.slice(match[0].length)];
  let line = startLine + 1;
  for (; line < endLine && lineOf(state, line).trim() && !DEFINITION.test(lineOf(state, line)); line += 1)
    lines.push(lineOf(state, line));
  const open = state.push("paragraph_open", "p", 1);
  open.map = [startLine, line];
  open.attrSet("class", "note");
  state.push("note_label", "", 0).content = match[1];
  Object.assign(state.push("inline", "", 0), {
    content: lines.join("\n").trim(),
    map: [startLine, line],
    children: [],
  });
  state.push("paragraph_close", "p", -1);
  state.line = line;
  return true;
}

function lineOf(state, line) {
  return state.src.slice(state.bMarks[line] + state.tShift[line], state.eMarks[line]);
}
