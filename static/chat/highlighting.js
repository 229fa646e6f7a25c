/** Code in colours, by highlight.js, which is fetched with the first block; done when the browser has a moment. */

import "../vendor/dompurify/purify.min.js";

const MOST_CHARS = 50_000;
const SPANS = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true };

let highlighter = null;
const waiting = [];
const seen = new WeakSet();
const whenIdle = window.requestIdleCallback ?? ((act) => setTimeout(act, 50));

/** Colour the blocks below a node that name their language. They are whole: one that is still being written has to wait. */
export function highlight(root) {
  for (const code of root.querySelectorAll('pre > code[class*="language-"]')) {
    if (seen.has(code) || code.textContent.length > MOST_CHARS) continue;
    seen.add(code);
    if (waiting.push(code) === 1) whenIdle(next);
  }
}

async function next() {
  highlighter ??= import("../vendor/highlight/highlight.min.js").then(
    (module) => module.default,
    () => null,
  );
  const hljs = await highlighter;
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
