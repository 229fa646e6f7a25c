/**
 * Markdown that is still being written, rendered block by block.
 *
 * A block that can no longer change is rendered once and left alone; each update renders only the last two blocks: the
 * one that grows, and the one before it, into which an unfinished last line may still turn out to belong. Where those
 * are long themselves, updates are put off so that rendering takes no more than a share of the time.
 */

import { highlight, highlightWritten } from "./highlighting.js";
import { closeOpenEnds } from "./markdown_open_ends.js";
import { parseBlocks, renderTokens } from "./markdown.js";

const OPEN_BLOCKS = 2;
/** After a rendering, so many times what it took is left to everything else. */
const REST_FACTOR = 6;

export class StreamingMarkdown {
  #root;
  #restFactor;
  #start = 0;
  #tail = [];
  #shown = null;
  #notBefore = 0;
  #hasDefinitions = false;
  #isWhole = false;
  #isClosed = false;
  #taken = 0;

  constructor(root, { restFactor = REST_FACTOR } = {}) {
    this.#root = root;
    this.#restFactor = restFactor;
  }

  /** Show the text so far, which only ever grows. False: it is put off, call again. */
  update(text) {
    if (text === this.#shown) return true;
    const started = performance.now();
    if (started < this.#notBefore) return false;
    if (this.#shown !== null && !text.startsWith(this.#shown)) this.#restart();
    this.#render(text);
    this.#shown = text;
    this.#notBefore = started + this.#restFactor * (performance.now() - started);
    return true;
  }

  /** The text is whole. Links may have been defined below their use: then all is rendered anew, once. */
  finish(text) {
    if (this.#hasDefinitions) this.#restart();
    if (this.#isClosed) this.#shown = ""; // as it stands, also where nothing comes any more
    this.#notBefore = 0;
    this.#isWhole = true;
    this.update(text);
    highlight(this.#root);
  }

  /** The elements that will not change any more; each is given once. */
  takeSettled() {
    const all = this.#root.childNodes;
    const settled = this.#isWhole ? all.length : all.length - this.#tail.length;
    const nodes = [...all].slice(this.#taken, settled);
    this.#taken = Math.max(this.#taken, settled);
    return nodes;
  }

  #restart() {
    this.#root.replaceChildren();
    this.#start = 0;
    this.#tail = [];
    this.#shown = null;
    this.#hasDefinitions = false;
  }

  #render(text) {
    const written = text.slice(this.#start);
    let env = {};
    let tokens = parseBlocks(written, env);
    const source = this.#isWhole ? written : closeOpenEnds(written, tokens);
    this.#isClosed = source !== written;
    if (this.#isClosed) tokens = parseBlocks(source, (env = {}));
    this.#hasDefinitions ||= Object.keys(env.references ?? {}).length > 0;
    const cut = this.#hasDefinitions ? 0 : cutIndex(tokens);
    const isBeingWritten = this.#shown !== null;
    for (const node of this.#tail) node.remove();
    if (cut > 0) {
      const settled = renderTokens(tokens.slice(0, cut), env);
      if (isBeingWritten) highlightWritten(settled);
      highlight(settled);
      this.#root.append(settled);
      this.#start += offsetOfLine(source, tokens[cut].map[0]);
    }
    const tail = renderTokens(tokens.slice(cut), env);
    if (isBeingWritten) highlightWritten(tail);
    this.#tail = [...tail.childNodes];
    this.#root.append(tail);
  }
}

/** The index of the token that opens the first block which may still change. */
function cutIndex(tokens) {
  const opening = [];
  tokens.forEach((token, index) => {
    if (token.level === 0 && token.nesting >= 0 && token.map) opening.push(index);
  });
  return opening.length > OPEN_BLOCKS ? opening.at(-OPEN_BLOCKS) : 0;
}

function offsetOfLine(text, line) {
  const breaks = /\r\n?|\n/g;
  for (let passed = 0; passed < line; passed += 1) breaks.exec(text);
  return breaks.lastIndex;
}
