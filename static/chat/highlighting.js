/** Code in colours, by highlight.js, which is fetched with the first block; done when the browser has a moment. */

import "../vendor/dompurify/purify.min.js";

const MOST_CHARS = 50_000;
/** More than this takes longer than a picture has, so it is coloured when it is whole. */
const MOST_WRITTEN_CHARS = 8_000;
const SPANS = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true };

let fetching = null;
/** highlight.js, once it is here. */
let here = null;
const waiting = [];
const seen = new WeakSet();
const whenIdle = window.requestIdleCallback ?? ((act) => setTimeout(act, 50));

/** Colour the blocks below a node that name their language. */
export function highlight(root) {
  for (const code of blocks(root, MOST_CHARS)) {
    seen.add(code);
    if (waiting.push(code) === 1) whenIdle(next);
  }
}

/** The same at once, for those that are being written: their colours may not come and go with each word. */
export function highlightWritten(root) {
  for (const code of blocks(root, MOST_WRITTEN_CHARS)) {
    if (!here) return void fetchHighlighter();
    seen.add(code);
    colour(here, code);
  }
}

function blocks(root, mostChars) {
  const all = [...root.querySelectorAll('pre > code[class*="language-"]')];
  return all.filter((code) => !seen.has(code) && code.textContent.length <= mostChars);
}

function fetchHighlighter() {
  fetching ??= import("../vendor/highlight/highlight.min.js").then(
    (module) => (here = module.default),
    () => null,
  );
  return fetching;
}

async function next() {
  const hljs = await fetchHighlighter();
  const code = waiting.shift();
  if (hljs && code.isConnected) colour(hljs, code);
  if (waiting.length) whenIdle(next);
}

function colour(hljs, code) {
  const language = /language-(\S+)/.exec(code.className)?.[1] ?? "";
  if (!hljs.getLanguage(language)) return;
  const { value } = hljs.highlight(code.textContent, { language, ignoreIllegals: true });
  code.replaceChildren(window.DOMPurify.sanitize(value, SPANS));
}
