/** The visitor's own sessions in the side panel, newest first, page after page. */

import { el, iconButton } from "./dom.js";
import { ageGroup, fullTime, shortTime } from "./format.js";
import { gettext } from "./words.js";

export class SessionsPanel {
  #sessions = new Map();
  #cursor = null;
  #current = "";
  #loaded = false;

  /** `remove`: called with {id, title} when the user wants one gone. */
  constructor({ list, status, moreButton, url, sessionUrl, remove }) {
    this.remove = remove;
    this.list = list;
    this.status = status;
    this.moreButton = moreButton;
    this.url = url;
    this.sessionUrl = sessionUrl;
    moreButton.addEventListener("click", () => this.#load(this.#cursor));
  }

  /** Load the newest ones again; what was loaded of older ones stays. */
  refresh() {
    return this.#load(null);
  }

  title(sessionId) {
    return this.#sessions.get(sessionId)?.title ?? "";
  }

  /** Mark the session that is open; one that the server does not list yet is shown under `title`. */
  mark(sessionId, title) {
    const isNew = sessionId && title && !this.#sessions.has(sessionId);
    if (!isNew && sessionId === this.#current) return;
    if (isNew) this.#sessions.set(sessionId, { id: sessionId, title, started_at: new Date().toISOString() });
    this.#current = sessionId;
    this.#render();
  }

  /** It is gone; null: all of them are. */
  forget(sessionId) {
    if (sessionId === null) this.#sessions.clear();
    else this.#sessions.delete(sessionId);
    this.#render();
  }

  async #load(cursor) {
    const query = cursor ? `?${new URLSearchParams({ cursor })}` : "";
    try {
      const response = await fetch(this.url + query, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(`status ${response.status}`);
      this.#take(await response.json(), cursor);
    } catch {
      this.status.textContent = gettext("Your conversations could not be loaded.");
      this.status.hidden = this.#sessions.size > 0;
    }
  }

  #take({ sessions, next_cursor: next }, cursor) {
    for (const session of sessions) this.#sessions.set(session.id, session);
    if (cursor || !this.#loaded) this.#cursor = next;
    this.#loaded = true;
    this.#render();
  }

  #render() {
    const sessions = [...this.#sessions.values()].sort((a, b) => (a.started_at < b.started_at ? 1 : -1));
    const groups = new Map();
    for (const session of sessions) {
      const group = ageGroup(session.started_at);
      groups.set(group, [...(groups.get(group) ?? []), this.#entry(session)]);
    }
    this.list.replaceChildren(...[...groups].map(([name, entries]) => section(name, entries)));
    this.status.textContent = gettext("Your conversations will be listed here.");
    this.status.hidden = sessions.length > 0;
    this.moreButton.hidden = this.#cursor === null;
  }

  #entry({ id, title, assistant, started_at: at }) {
    const name = title || gettext("Untitled");
    const link = el("a", { href: this.sessionUrl(id, assistant), title: `${name}\n${fullTime(at)}` });
    if (id === this.#current) link.setAttribute("aria-current", "page");
    link.append(el("span", { class: "session-title", dir: "auto", text: name }));
    link.append(el("time", { datetime: at, text: shortTime(at) }));
    const label = gettext("Delete “{title}”", { title: name });
    const remove = iconButton("bin", label, { class: "remove", on: { click: () => this.remove({ id, title }) } });
    return el("li", {}, link, remove);
  }
}

function section(name, entries) {
  return el("section", {}, el("h2", { text: name }), el("ol", {}, ...entries));
}
