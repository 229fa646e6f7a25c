/**
 * Markdown that breaks off while it is written: its open signs are closed for now, so that nobody sees `**bo` turn into bold, or
 * an address grow into a link. What is shown in the end is the text as it stands.
 */

const HIDDEN = "\u0000";
/** What holds no open sign: code and formulas that are closed, and signs that are meant as such. */
const CLOSED = /(?<!`)(`+)(?!`)[^]*?[^`]\1(?!`)|\\\([^]*?\\\)|\\[^\s\w]/g;
const OPEN_CODE = /(`+)(?!`)([^]*)$/;
const OPEN_LINK = /!?\[([^[\]]*)(?:\](?:\([^()\s]*)?)?$/;
const RUN = /\*{1,3}|_{1,3}|~~|~$/g;

/** `source`, of which `tokens` were made, with the signs closed that are open at its end. */
export function closeOpenEnds(source, tokens) {
  const content = tokens.at(-1)?.nesting === -1 ? (tokens.findLast(({ type, content }) => type === "inline" && content)?.content ?? "") : "";
  const whole = source.trimEnd();
  if (!content || !whole.endsWith(content)) return source;
  const closed = closeInline(content);
  return closed === content ? source : whole.slice(0, whole.length - content.length) + closed;
}

function closeInline(content) {
  const hidden = content.replace(CLOSED, (match) => HIDDEN.repeat(match.length));
  const code = OPEN_CODE.exec(hidden);
  const until = code ? code.index : hidden.length;
  const [text, signs] = withoutOpenLink(content.slice(0, until), hidden.slice(0, until));
  const [end, closing] = openRuns(signs);
  const begun = code?.[2].trim() ? content.slice(until) + code[1] : "";
  return `${begun ? text : text.slice(0, end).trimEnd()}${begun}${closing}`;
}

/** Until its address is whole, a link is its words. */
function withoutOpenLink(text, signs) {
  const link = OPEN_LINK.exec(signs);
  if (!link) return [text, signs];
  const words = /^[ xX]?$|^\^/.test(link[1]) ? "" : link[1]; // of a task's box, of a note's sign there is nothing to read
  const from = link.index + link[0].indexOf("[") + 1;
  const cut = (all) => all.slice(0, link.index) + all.slice(from, from + words.length);
  return [cut(text), cut(signs)];
}

/** [how much of the text is to be shown, what closes it]: a run that nothing follows yet opens nothing. */
function openRuns(signs) {
  const open = [];
  for (const { 0: run, index } of signs.matchAll(RUN)) {
    const before = signs[index - 1] ?? " ";
    const after = signs[index + run.length] ?? "";
    let rest = run;
    while (rest && /\S/.test(before) && open.length && rest.startsWith(open.at(-1))) rest = rest.slice(open.pop().length);
    if (!rest) continue;
    if (!after) return [index + run.length - rest.length, open.reverse().join("")];
    const inWord = run.startsWith("_") && /[\p{L}\p{N}]/u.test(before);
    if (/\S/.test(after) && !inWord) open.push(rest);
  }
  return [signs.length, open.reverse().join("")];
}
