/** One of the visitor's own sessions in the list: the way to it, and a menu to name it, pin it, take it along, or have it gone. */

import { el, icon, iconButton } from "./dom.js";
import { fullTime, shortTime } from "./format.js";
import { gettext } from "./words.js";

const TITLE_CHARS = 200;

/** `transcriptUrl`: of all that was said in it, as Markdown; `act`: {rename(session, title), pin(session, pinned), remove(session)}. */
export function sessionEntry(session, { url, transcriptUrl, isCurrent, act }) {
  const name = session.title || gettext("Untitled");
  const at = session.last_word_at;
  const link = el("a", { href: url, title: `${name}\n${fullTime(at)}` });
  if (isCurrent) link.setAttribute("aria-current", "page");
  if (session.pinned) link.append(pinned());
  link.append(el("span", { class: "session-title", dir: "auto", text: name }));
  link.append(el("time", { datetime: at, text: shortTime(at) }));
  if (session.excerpt?.length) link.append(excerpt(session.excerpt));
  const node = el("li", { "data-session": session.id }, link);
  const more = iconButton("dots", gettext("Options for “{title}”", { title: name }), {
    class: "more",
    "aria-haspopup": "true",
    "aria-expanded": "false",
  });
  const download = el("a", { href: transcriptUrl, download: true }, icon("down"), gettext("Download"));
  node.append(more, menu(node, more, session, download, act));
  return node;
}

/** Where the words that are looked for were said: in turn what stands around them, and they. */
function excerpt(pieces) {
  const parts = pieces.map((text, place) => (place % 2 ? el("mark", { text }) : text));
  return el("span", { class: "excerpt", dir: "auto" }, ...parts);
}

function pinned() {
  return el("span", { class: "pinned" }, icon("pin"), el("span", { class: "visually-hidden", text: gettext("Pinned") }));
}

function menu(node, more, session, download, act) {
  const show = (open) => {
    box.hidden = !open;
    more.setAttribute("aria-expanded", String(open));
    if (open) box.scrollIntoView({ block: "nearest" });
  };
  const item = (name, words, choose) =>
    el("button", { type: "button", on: { click: () => [show(false), choose()] } }, icon(name), words);
  const box = el(
    "div",
    { class: "menu", hidden: true },
    item("pencil", gettext("Rename"), () => rename(node, session, act.rename)),
    item("pin", session.pinned ? gettext("Unpin") : gettext("Pin"), () => act.pin(session, !session.pinned)),
    download,
    item("bin", gettext("Delete"), () => act.remove(session)),
  );
  download.addEventListener("click", () => show(false));
  more.addEventListener("click", () => show(box.hidden));
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || box.hidden) return;
    event.stopPropagation(); // it stops no answer
    show(false);
    more.focus();
  });
  node.addEventListener("focusout", ({ relatedTarget }) => node.contains(relatedTarget) || show(false));
  return box;
}

/** A box in the place of the title: Enter and leaving it keep what is written, Escape does not. */
function rename(node, { title, ...session }, done) {
  const input = el("input", { class: "rename", maxlength: TITLE_CHARS, dir: "auto", "aria-label": gettext("New name") });
  const parts = [...node.children];
  let finished = false;
  const finish = (keep, next = null) => {
    if (finished) return;
    finished = true; // taking the box away is one more blur
    const text = input.value.trim();
    node.replaceChildren(...parts);
    if (!next) parts[1].focus(); // who goes elsewhere is there already
    if (keep && text !== title) done({ title, ...session }, text);
  };
  input.value = title;
  input.addEventListener("keydown", (event) => {
    const composing = event.isComposing || event.keyCode === 229;
    if (composing || !["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    finish(event.key === "Enter");
  });
  input.addEventListener("blur", ({ relatedTarget }) => finish(true, relatedTarget));
  node.replaceChildren(input);
  input.focus();
  input.select();
}
