/** A transcript's state in the making: a list, an entry or an item is copied the first time that it is changed. */
export class Draft {
  #before;
  #own = new Set();
  #positions = null;

  constructor(state) {
    this.#before = state;
    this.state = { ...state };
    this.place = null;
  }

  finish() {
    return this.#own.size || changed(this.#before, this.state) ? this.state : this.#before;
  }

  has(id) {
    return this.state.homes.has(id);
  }

  add(entry) {
    this.#ownLists();
    this.state.homes.set(entry.id, entry.id);
    this.#positions?.set(entry.id, this.state.entries.length);
    this.state.entries.push(entry);
    this.#own.add(entry);
    return entry;
  }

  /** As the server has it: above the messages at the end that it does not have yet. */
  addAbovePending(entry) {
    const place = this.state.entries.findLastIndex(({ state }) => state !== "pending") + 1;
    this.add(entry);
    if (place === this.state.entries.length - 1) return entry;
    this.state.entries.splice(place, 0, this.state.entries.pop());
    this.#positions = null;
    return entry;
  }

  /** The entry of an item or a response, free to be changed; undefined where there is none. */
  entry(id) {
    const entryId = this.state.homes.get(id);
    const position = entryId === undefined ? undefined : this.#position(entryId);
    if (position === undefined) return undefined;
    const entry = this.state.entries[position];
    if (this.#own.has(entry)) return entry;
    this.#ownLists();
    const copy = entry.items ? { ...entry, items: [...entry.items] } : { ...entry };
    this.#own.add(copy);
    this.state.entries[position] = copy;
    return copy;
  }

  item(id) {
    const entry = this.entry(id);
    const index = entry?.items?.findLastIndex((one) => one.id === id) ?? -1;
    if (index < 0) return undefined;
    const item = entry.items[index];
    if (this.#own.has(item)) return item;
    const copy = item.marks ? { ...item, marks: [...item.marks] } : { ...item };
    this.#own.add(copy);
    entry.items[index] = copy;
    return copy;
  }

  addItem(entry, item) {
    this.#ownLists();
    entry.items.push(item);
    this.#own.add(item);
    this.state.homes.set(item.id, entry.id);
    return item;
  }

  /** Where an entry like that stands below it, it goes below the last of these. */
  moveBelow(entry, isLike) {
    const from = this.#position(entry.id);
    const to = this.state.entries.findLastIndex(isLike);
    if (to <= from) return;
    this.#ownLists();
    this.state.entries.splice(to, 0, ...this.state.entries.splice(from, 1));
    this.#positions = null;
  }

  replace(entries) {
    this.state.entries = entries;
    this.state.homes = new Map();
    for (const entry of entries) {
      this.state.homes.set(entry.id, entry.id);
      for (const item of entry.items ?? []) this.state.homes.set(item.id, entry.id);
    }
    this.#own = new Set([this.state.entries]);
    this.#positions = null;
  }

  #ownLists() {
    if (this.#own.has(this.state.entries)) return;
    this.state.entries = [...this.state.entries];
    this.state.homes = new Map(this.state.homes);
    this.#own.add(this.state.entries);
  }

  #position(entryId) {
    this.#positions ??= new Map(this.state.entries.map((entry, index) => [entry.id, index]));
    return this.#positions.get(entryId);
  }
}

function changed(before, after) {
  return Object.keys(after).some((name) => before[name] !== after[name]);
}
