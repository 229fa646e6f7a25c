/** Code in colours, by highlight.js, which is fetched with the first block; done when the browser has a moment. */

import "../vendor/dompurify/purify.min.js";

const MOST_CHARS = 50_000;
/** More than this takes longer than a picture has, so it is coloured when it is whole. */
const MOST_WRITTEN_CHARS = 8_000;
const SPANS = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true };

let fetching = null;
/** It is fetched anew for blocks that are whole, not with each letter of one that is written. */
let hasFailed = false;
/** highlight.js, once it is here. */
let here = null;
const waiting = [];
let isUnderWay = false;
const seen = new WeakSet();
const whenIdle = window.requestIdleCallback ?? ((act) => setTimeout(act, 50));

/** Colour the blocks below a node that name their language. */
export function highlight(root) {
  for (const code of blocks(root, MOST_CHARS)) {
    seen.add(code);
    waiting.push(code);
  }
  if (isUnderWay || waiting.length === 0) return;
  isUnderWay = true;
  whenIdle(next);
}

/** The same at once, for those that are being written: their colours may not come and go with each word. */
export function highlightWritten(root) {
  for (const code of blocks(root, MOST_WRITTEN_CHARS)) {
    if (!here) return void (hasFailed || fetchHighlighter());
    seen.add(code);
    colour(here, code);
  }
}

function blocks(root, mostChars) {
  const all = [...root.querySelectorAll('pre > code[class*="language-"]')];
  return all.filter((code) => !seen.has(code) && code.textContent.length <= mostChars);
}

/** Null where it cannot be had now. */
function fetchHighlighter() {
  fetching ??= import("../vendor/highlight/highlight.min.js").then(
    (module) => (here = module.default),
    () => {
      hasFailed = true;
      return (fetching = null);
    },
  );
  return fetching;
}

/** What cannot be coloured now waits for the next block, which asks again. */
async function next() {
  const hljs = await fetchHighlighter();
  const code = hljs && waiting.shift();
  if (code?.isConnected) colour(hljs, code);
  isUnderWay = Boolean(hljs && waiting.length);
  if (isUnderWay) whenIdle(next);
}

function colour(hljs, code) {
  const language = /language-(\S+)/.exec(code.className)?.[1] ?? "";
  if (!hljs.getLanguage(language)) return;
  const { value } = hljs.highlight(code.textContent, { language, ignoreIllegals: true });
  code.replaceChildren(window.DOMPurify.sanitize(value, SPANS));
}
