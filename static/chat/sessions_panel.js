/** The visitor's own sessions in the side panel: the pinned ones, then by the last word, page after page; or those with some words. */

import { csrfToken } from "./csrf.js";
import { el } from "./dom.js";
import { ageGroup } from "./format.js";
import { sessionEntry } from "./session_entry.js";
import { gettext } from "./words.js";

const SEARCH_PAUSE_MS = 250;

export class SessionsPanel extends EventTarget {
  #sessions = new Map();
  #cursor = null;
  #current = "";
  #loaded = false;
  /** Those with the words that are looked for, and a cursor to more of them; null: nothing is looked for. */
  #found = null;
  /** The last question of those, as long as its words stand in the box. */
  #asked = null;
  #pause = 0;
  #loading = null;

  /** `remove`: called with {id, title} when the user wants one gone. Events: `problem` (detail: a sentence), `named`. */
  constructor({ list, search, status, moreButton, url, ownUrl, sessionUrl, remove }) {
    super();
    Object.assign(this, { list, search, status, moreButton, url, ownUrl, sessionUrl });
    this.act = {
      remove,
      rename: (session, title) => this.#change(session, { title }),
      pin: (session, pinned) => this.#change(session, { pinned }),
    };
    moreButton.addEventListener("click", () =>
      this.#found ? this.#find(this.#found.cursor) : this.#load(this.#cursor),
    );
    search.addEventListener("input", () => this.#onSearch());
    search.addEventListener("keydown", (event) => event.key === "Escape" && this.#endSearch(event));
  }

  /** Load the newest ones again; what was loaded of older ones stays. */
  refresh() {
    this.#loading = this.#load(null);
    return this.#loading;
  }

  /** As the server has it; null where it lists none of that id. */
  async find(sessionId) {
    await this.#loading;
    const known = this.#sessions.get(sessionId);
    if (known?.summary !== undefined) return known;
    return this.#cursor ? this.#fetch(this.ownUrl(sessionId)).catch(() => null) : null;
  }

  title(sessionId) {
    return this.#sessions.get(sessionId)?.title ?? "";
  }

  /** Mark the session that is open; one that the server does not list yet is shown under `title`. */
  mark(sessionId, title) {
    const isNew = sessionId && title && !this.#sessions.has(sessionId);
    if (!isNew && sessionId === this.#current) return;
    if (isNew) this.#sessions.set(sessionId, { id: sessionId, title, last_word_at: new Date().toISOString() });
    this.#current = sessionId;
    this.#render();
  }

  /** It is gone; null: all of them are. */
  forget(sessionId) {
    const gone = (id) => sessionId === null || id === sessionId;
    for (const id of [...this.#sessions.keys()].filter(gone)) this.#sessions.delete(id);
    if (this.#found) this.#found.sessions = this.#found.sessions.filter(({ id }) => !gone(id));
    this.#render();
  }

  async #load(cursor) {
    const answer = await this.#ask({ cursor });
    if (!answer) return;
    for (const session of answer.sessions) this.#sessions.set(session.id, session);
    if (!cursor) this.#dropGone(answer);
    if (cursor || !this.#loaded) this.#cursor = answer.next_cursor;
    this.#loaded = true;
    this.#render();
  }

  /** Those that the newest ones leave out though they would be among them: erased, in another tab perhaps. */
  #dropGone({ sessions, next_cursor: more }) {
    const last = sessions.at(-1);
    const listed = new Set(sessions.map(({ id }) => id));
    for (const { id, summary, pinned, last_word_at: at } of this.#sessions.values()) {
      const isAmongThem = !more || (!pinned && !last.pinned && at > last.last_word_at);
      const wasListed = summary !== undefined; // else it has just begun
      if (isAmongThem && wasListed && !listed.has(id)) this.#sessions.delete(id);
    }
  }

  // Searching

  #onSearch() {
    clearTimeout(this.#pause);
    this.#asked = null;
    if (!this.search.value.trim()) {
      this.#found = null;
      this.#render();
    } else this.#pause = setTimeout(() => this.#find(null), SEARCH_PAUSE_MS);
  }

  #endSearch(event) {
    if (!this.search.value) return;
    event.stopPropagation();
    this.search.value = "";
    this.#onSearch();
  }

  /** What was asked for before the last letter does not count any more. */
  async #find(cursor) {
    const asked = (this.#asked = {});
    const answer = await this.#ask({ q: this.search.value.trim(), cursor });
    if (!answer || asked !== this.#asked) return;
    const before = cursor ? this.#found.sessions : [];
    this.#found = { sessions: [...before, ...answer.sessions], cursor: answer.next_cursor };
    this.#render();
  }

  // The server

  async #ask(query) {
    const given = Object.entries(query).filter(([, value]) => value);
    const address = given.length ? `${this.url}?${new URLSearchParams(given)}` : this.url;
    try {
      return await this.#fetch(address);
    } catch {
      this.status.textContent = query.q
        ? gettext("The search did not work. Try other words.")
        : gettext("Your conversations could not be loaded.");
      this.status.hidden = !query.q && this.#sessions.size > 0;
      return null;
    }
  }

  async #change({ id }, changes) {
    try {
      const headers = { "Content-Type": "application/json", "X-CSRFToken": csrfToken() };
      this.#put(await this.#fetch(this.ownUrl(id), { method: "PATCH", headers, body: JSON.stringify(changes) }));
    } catch {
      this.dispatchEvent(new CustomEvent("problem", { detail: gettext("It could not be changed. Try again.") }));
    }
  }

  #put(session) {
    this.#sessions.set(session.id, session);
    if (this.#found)
      this.#found.sessions = this.#found.sessions.map((one) => (one.id === session.id ? session : one));
    const { activeElement } = document;
    const stays = activeElement === document.body || this.#node(session.id)?.contains(activeElement);
    this.#render();
    if (stays) this.#node(session.id)?.querySelector(".more")?.focus(); // who writes elsewhere by now is left there
    this.dispatchEvent(new Event("named"));
  }

  async #fetch(address, options = { headers: { Accept: "application/json" } }) {
    const response = await fetch(address, options);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.json();
  }

  // The list

  #render() {
    if (this.list.querySelector(".rename")) return; // somebody is writing a name there
    const sessions = this.#found?.sessions ?? [...this.#sessions.values()].sort(newestFirst);
    const groups = new Map();
    for (const session of sessions) {
      const group = this.#found ? "" : session.pinned ? gettext("Pinned") : ageGroup(session.last_word_at);
      groups.set(group, [...(groups.get(group) ?? []), this.#entry(session)]);
    }
    this.#inPlace(() => this.list.replaceChildren(...[...groups].map(([name, entries]) => section(name, entries))));
    this.status.textContent = this.#found
      ? gettext("Nothing was found.")
      : gettext("Your conversations will be listed here.");
    this.status.hidden = sessions.length > 0;
    this.moreButton.hidden = !(this.#found ? this.#found.cursor : this.#cursor);
  }

  /** Whoever is in the list, or has a menu of it open, stays there. */
  #inPlace(replace) {
    const { activeElement } = document;
    const entryOf = (node) => node?.closest("[data-session]")?.dataset.session ?? "";
    const focused = this.list.contains(activeElement) ? entryOf(activeElement) : "";
    const place = controls(this.#node(focused)).indexOf(activeElement);
    const opened = entryOf(this.list.querySelector(".menu:not([hidden])"));
    replace();
    this.#node(opened)?.querySelector(".more").click();
    controls(this.#node(focused))[place]?.focus();
  }

  #node(sessionId) {
    return sessionId ? this.list.querySelector(`[data-session="${CSS.escape(sessionId)}"]`) : null;
  }

  #entry(session) {
    return sessionEntry(session, {
      url: this.sessionUrl(session.id, session.assistant),
      transcriptUrl: `${this.ownUrl(session.id)}/transcript?form=md`,
      isCurrent: session.id === this.#current,
      act: this.act,
    });
  }
}

function controls(entry) {
  return [...(entry?.querySelectorAll("a, button") ?? [])];
}

function newestFirst(a, b) {
  const pinned = Number(b.pinned ?? false) - Number(a.pinned ?? false);
  return pinned || (a.last_word_at < b.last_word_at ? 1 : -1);
}

function section(name, entries) {
  return el("section", {}, name ? el("h2", { text: name }) : null, el("ol", {}, ...entries));
}
