/**
 * Markdown from a model, which nobody trusts, as a piece of document.
 *
 * Twice guarded: markdown-it takes no HTML and no dangerous address; DOMPurify lets only the tags below through. No
 * inline styles (the page's policy forbids them) and no images: an image's address could carry words to a stranger.
 */

import MarkdownIt from "../vendor/markdown-it/markdown-it.esm.min.js";
import "../vendor/dompurify/purify.min.js";

import { el, icon } from "./dom.js";
import { drawFormulas } from "./formulas.js";
import { mathRules } from "./markdown_math.js";
import { noteRules } from "./markdown_notes.js";
import { gettext } from "./words.js";

const purifier = window.DOMPurify;

const ALLOWED = {
  ALLOWED_TAGS: [
    ..."a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i li ol p pre s span strong sup".split(" "),
    ..."table tbody td th thead tr ul".split(" "),
  ],
  ALLOWED_ATTR: ["class", "href", "start", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

const md = new MarkdownIt({ html: false, linkify: true, breaks: false });
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
md.validateLink = (url) => /^(?:https?:|mailto:)/i.test(url.trim());

md.use(mathRules);
md.use(noteRules);

md.renderer.rules.image = (tokens, index, options, env, renderer) => {
  const token = tokens[index];
  const escape = md.utils.escapeHtml;
  const text = renderer.renderInlineAsText(token.children ?? [], options, env) || "image";
  return `<a href="${escape(token.attrGet("src") ?? "")}">${escape(text)}</a>`;
};

for (const tag of ["th_open", "td_open"]) {
  md.renderer.rules[tag] = (tokens, index, options, env, renderer) => {
    const token = tokens[index];
    const align = /text-align:(\w+)/.exec(token.attrGet("style") ?? "")?.[1];
    token.attrs = align ? [["class", `align-${align}`]] : null;
    return renderer.renderToken(tokens, index, options);
  };
}

/** The tokens of a text's blocks; `env` gathers its link definitions. */
export function parseBlocks(text, env) {
  return md.parse(text, env);
}

/** Tokens as a safe DocumentFragment, with code blocks and tables dressed. */
export function renderTokens(tokens, env) {
  const fragment = purifier.sanitize(md.renderer.render(tokens, md.options, env), ALLOWED);
  for (const pre of fragment.querySelectorAll("pre")) dressCode(pre);
  for (const table of fragment.querySelectorAll("table")) dressTable(table);
  for (const box of fragment.querySelectorAll(".task-box")) dressTask(box);
  for (const reference of fragment.querySelectorAll(".note-reference")) dressReference(reference);
  drawFormulas(fragment);
  return fragment;
}

export function renderMarkdown(text) {
  const env = {};
  return renderTokens(parseBlocks(text, env), env);
}

/** A block that is wider than its place says so: not every screen shows a scrollbar. */
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target.tagName === "TABLE" ? target.parentElement : target;
    box?.parentElement?.classList.toggle("scrolls", box.scrollWidth > box.clientWidth + 1);
  }
});

function dressCode(pre) {
  const language = /language-(\S+)/.exec(pre.querySelector("code")?.className ?? "")?.[1] ?? "text";
  const button = el(
    "button",
    { type: "button", class: "copy-code", "aria-label": gettext("Copy this code") },
    icon("copy"),
    gettext("Copy"),
  );
  const head = el(
    "div",
    { class: "code-head" },
    el("span", { class: "code-language", text: language }),
    el("span", { class: "code-scrolls", text: gettext("Scroll sideways for more") }),
    button,
  );
  const block = el("div", { class: "code-block" }, head);
  pre.replaceWith(block);
  pre.tabIndex = 0; // so that the keyboard can scroll it
  block.append(pre);
  widths.observe(pre);
}

function dressTable(table) {
  const frame = el("div", { class: "table-frame", tabindex: "0" });
  const hint = el("p", { class: "table-scrolls", text: gettext("Scroll sideways for more") });
  const block = el("div", { class: "table-block" });
  table.replaceWith(block);
  frame.append(table);
  block.append(frame, hint);
  widths.observe(frame);
  widths.observe(table); // its frame keeps its width as it grows
  const columns = table.rows[0]?.cells.length ?? 0;
  for (let column = 0; column < columns; column += 1) alignNumbers(table, column);
}

/** A column of numbers alone, which the model did not align, is read by its last digits. */
const NUMBER = /^[-+−±~≈<>]?\s?[$€£¥]?\s?\d[\d.,\s'’]*\s?[%€£¥$]?$/;

function alignNumbers(table, column) {
  const cells = Array.from(table.rows, (row) => row.cells[column]).filter(Boolean);
  for (const cell of cells) if (NUMBER.test(cell.textContent.trim())) cell.dir = "ltr"; // a sign stands before its number
  const filled = cells.filter((cell) => cell.tagName === "TD" && cell.textContent.trim());
  if (filled.length === 0 || cells.some((cell) => cell.className)) return;
  if (filled.every((cell) => NUMBER.test(cell.textContent.trim()))) {
    for (const cell of cells) cell.className = "align-right";
  }
}

function dressTask(box) {
  const done = box.parentElement.closest("li")?.classList.contains("done") ?? false;
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", done ? gettext("Done:") : gettext("To do:"));
  if (done) box.append(icon("tick"));
}

/** Leads to the note of that name in the same text. */
function dressReference(reference) {
  const label = reference.textContent;
  const button = el("button", { type: "button", "aria-label": gettext("Note {label}", { label }), text: label });
  button.addEventListener("click", () => {
    const labels = button.closest(".prose")?.querySelectorAll(".note-label") ?? [];
    const note = Array.from(labels).find((one) => one.textContent === label)?.parentElement;
    if (!note) return;
    note.tabIndex = -1;
    note.focus();
  });
  reference.replaceChildren(button);
}
