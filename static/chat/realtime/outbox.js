/**
 * Client events that have to arrive: kept until the server has taken them, sent again after a reconnect.
 *
 * The `event_id` of each is its idempotency key: the server runs a repeat once. Kept in the tab's storage, too, so
 * that a reload loses nothing that was not taken yet.
 */

const ACKNOWLEDGED_BY = {
  // "done" means committed; "added" is said before that.
  "conversation.item.create": (sent, got) =>
    got.type === "conversation.item.done" && got.item.id === sent.item.id,
  "response.create": (sent, got) =>
    got.type === "response.created" && got.response.x_client_event_id === sent.event_id,
  "x_feedback.give": (sent, got) => got.type === "x_feedback.given" && got.item_id === sent.item_id,
};

export class Outbox {
  #events = [];
  #key = "";
  #sentHere = new Set();
  #doubtful = new Set();

  /** @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null} storage null: nothing outlives this object */
  constructor(storage = tabStorage()) {
    this.storage = storage;
  }

  get events() {
    return this.#events;
  }

  /** Those to be sent over this connection: not sent yet, up to a wish that has to wait for the message before it. */
  get unsent() {
    const held = this.#events.findIndex((event, at) => isWish(event) && this.#events.slice(0, at).some(namesFiles));
    const free = held < 0 ? this.#events : this.#events.slice(0, held);
    return free.filter((event) => !this.#sentHere.has(event.event_id));
  }

  /** True where one was sent over an earlier connection, so that it may have arrived. */
  get hasDoubtful() {
    return this.#events.some((event) => this.#doubtful.has(event.event_id));
  }

  /** True where one was sent over this connection and is not acknowledged yet. */
  get isWaiting() {
    return this.#sentHere.size > 0;
  }

  sent(event) {
    this.#sentHere.add(event.event_id);
  }

  /** A new connection: nothing was sent over it yet. */
  connected() {
    for (const id of this.#sentHere) this.#doubtful.add(id);
    this.#sentHere.clear();
  }

  /** Keep the events under the session's name from now on; those kept there before come first. */
  bind(sessionId) {
    const key = `chat.outbox.${sessionId}`;
    if (this.#key === key) return;
    this.#forgetStored();
    this.#key = key;
    const known = new Set(this.#events.map((event) => event.event_id));
    const stored = this.#stored().filter((event) => !known.has(event.event_id));
    for (const event of stored) this.#doubtful.add(event.event_id);
    this.#events = [...stored, ...this.#events];
    this.#store();
  }

  add(event) {
    if (!(event.type in ACKNOWLEDGED_BY))
      throw new TypeError(`${event.type} has no acknowledgement to wait for`);
    if (!this.#events.some((known) => known.event_id === event.event_id)) this.#events.push(event);
    this.#store();
  }

  /** Drop what a server event acknowledges; true where there was something. */
  acknowledge(got) {
    const before = this.#events.length;
    if (before) this.#keep((sent) => !(this.#mayBeMeant(sent) && ACKNOWLEDGED_BY[sent.type](sent, got)));
    return this.#events.length < before;
  }

  /** Drop the event that the server refused, with the wish that waited for it, and return it. */
  refuse(eventId) {
    const at = this.#events.findIndex((sent) => sent.event_id === eventId);
    const refused = this.#events[at];
    const wish = refused && namesFiles(refused) && this.#events.slice(at + 1).find(isWish);
    if (refused) this.#keep((sent) => sent !== refused && sent !== wish);
    return refused;
  }

  clear() {
    const dropped = this.#events;
    this.#keep(() => false);
    return dropped;
  }

  /** Of a word on an answer the one before it is told under the same item: what was never sent is not what was taken. */
  #mayBeMeant({ type, event_id: id }) {
    return type !== "x_feedback.give" || this.#sentHere.has(id) || this.#doubtful.has(id);
  }

  #keep(wanted) {
    const kept = this.#events.filter(wanted);
    if (kept.length === this.#events.length) return;
    this.#events = kept;
    const ids = new Set(kept.map((event) => event.event_id));
    this.#sentHere = common(this.#sentHere, ids); // what is added again is to be sent again
    this.#doubtful = common(this.#doubtful, ids);
    this.#store();
  }

  #stored() {
    if (!this.storage) return [];
    try {
      const events = JSON.parse(this.storage.getItem(this.#key) ?? "[]");
      return Array.isArray(events) ? events.filter((event) => event?.type in ACKNOWLEDGED_BY) : [];
    } catch {
      return []; // no storage in this browser, or not ours
    }
  }

  #forgetStored() {
    const events = this.#events;
    this.#events = [];
    this.#store();
    this.#events = events;
  }

  #store() {
    if (!this.#key || !this.storage) return;
    try {
      if (this.#events.length) this.storage.setItem(this.#key, JSON.stringify(this.#events));
      else this.storage.removeItem(this.#key);
    } catch {
      // full or forbidden: then a reload forgets what was not sent, as without this file
    }
  }
}

function isWish({ type }) {
  return type === "response.create";
}

/** Such a message may be refused, as not every model reads every file; what was said before would be answered in its place. */
function namesFiles({ item }) {
  return Boolean(item?.content?.some(({ type }) => type !== "input_text"));
}

function common(some, others) {
  return new Set([...some].filter((one) => others.has(one)));
}

/** The tab's own, where there is one and it may be used. */
function tabStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}
