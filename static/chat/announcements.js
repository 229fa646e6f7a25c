/**
 * What a screen reader is told of the conversation: answers piece by piece as they are written, how they end where they do
 * not end well, what our team says, and what waits for the user's yes.
 */

import { el } from "./dom.js";
import { endingOf } from "./endings.js";
import { toolTitle } from "./format.js";
import { wordsOf } from "./message_view.js";
import { gettext } from "./words.js";

/** Longer ones are told in several pieces, so that one can stop listening between them. */
const PIECE_CHARS = 300;
const MOST_PIECES = 40;

export class Announcements {
  /** The answers that are given while somebody is here. */
  #live = new Set();
  #asked = new Set();

  /** `region`: a live one, in which what is added is told. */
  constructor(region) {
    this.region = region;
  }

  /** These frames happen now: what they bring is told. */
  expect(frames, active) {
    if (active) this.#live.add(active);
    for (const { type, response } of frames) {
      if (type !== "response.created" && type !== "response.done") continue;
      if (this.#live.size === 0) this.region.replaceChildren();
      this.#live.add(response.id);
    }
  }

  /** Elements of an answer's text that change no more. */
  read(answerId, nodes) {
    if (this.#live.has(answerId)) this.#say(nodes.flatMap(pieces));
  }

  /** How answers ended, once their texts are on the page. */
  ended(frames, entries) {
    for (const { type, response } of frames) {
      if (type !== "response.done") continue;
      this.#live.delete(response.id);
      const ending = endingOf(entries.find(({ id }) => id === response.id) ?? {});
      if (ending) this.#say([[ending.title, ending.why].filter(Boolean).join(" ")]);
    }
  }

  /** What our team wrote, and who of it has come or gone; true where somebody wrote. */
  written(frames, entries) {
    const ids = frames.filter(({ type, item }) => type === "conversation.item.done" && item.role === "system").map(({ item }) => item.id);
    const messages = entries.filter(({ id }) => ids.includes(id));
    this.#say(messages.map((entry) => (entry.stepped ? wordsOf(entry) : `${gettext("Our team")}: ${wordsOf(entry)}`)));
    return messages.some(({ stepped }) => !stepped);
  }

  /** The questions that wait, each once. */
  ask(entries) {
    for (const { items = [] } of entries.slice(-4)) {
      for (const item of items) {
        if (item.kind !== "approval" || item.approved !== null || this.#asked.has(item.id)) continue;
        this.#asked.add(item.id);
        const question = item.asks || toolTitle(item.name);
        this.#say([gettext("The assistant asks for your approval: {question}", { question })]);
      }
    }
  }

  /** True where one of them waits still. */
  static waits(entries) {
    return entries.slice(-4).some(({ items = [] }) =>
      items.some(({ kind, approved, agreed }) => kind === "approval" && approved === null && !agreed),
    );
  }

  #say(texts) {
    this.region.append(...texts.filter(Boolean).map((text) => el("p", { text })));
    while (this.region.children.length > MOST_PIECES) this.region.firstChild.remove();
  }
}

/** One element of an answer as it is said. */
function pieces(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return [];
  if (node.matches("pre, .code-block")) return [gettext("Code")];
  const rows = [...node.querySelectorAll("tr")].map((row) => [...row.cells].map(plain).join(", "));
  return rows.length > 0 ? rows : cut(plain(node));
}

/** A formula is there three times: it is said as it was written, which alone tells a fraction and a power in a line. */
function plain(node) {
  const copy = node.cloneNode(true);
  for (const formula of copy.querySelectorAll(".katex")) {
    const written = formula.querySelector("annotation");
    if (written) formula.replaceWith(written.textContent);
  }
  return copy.textContent.trim().replace(/\s+/g, " ");
}

function cut(text) {
  const parts = [""];
  for (const sentence of text.split(/(?<=[.!?…。؟])\s+/)) {
    const joined = `${parts.at(-1)} ${sentence}`.trim();
    if (parts.at(-1) && joined.length > PIECE_CHARS) parts.push(sentence);
    else parts[parts.length - 1] = joined;
  }
  return parts;
}
