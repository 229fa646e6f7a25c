/**
 * Which of all entries are shown: of messages that were said anew, and of answers that were asked for again, the chosen ones; and
 * no answer that was not given because a person's stands for it.
 *
 * A pure function of the transcript's entries, so that a reload and a second tab show the same. From where versions part, each has
 * a rest of its own; choosing swaps the two. It does as the server does with what the model is sent (docs/protocol.md, "Versions").
 */

/**
 * @param {object[]} entries of a transcript, as they came
 * A message that was taken back before its answer had begun is not among them.
 * @returns {{entries: object[], versions: Map<string, {index: number, all: {id: string, itemId: string}[]}>}} the entries to show,
 *   and for each that has others in its place: which one it is, and an item by which each of them is chosen
 */
export function chosenPath(entries) {
  const path = new Path(entries);
  for (const entry of entries) path.take(entry);
  return { entries: withoutTakenBack(path.entries), versions: path.versions() };
}

/** Neither the messages that were taken back, nor the answers to them that never were. */
function withoutTakenBack(entries) {
  const removed = new Set(entries.filter((entry) => entry.removed).map(({ id }) => id));
  if (removed.size === 0) return entries;
  const neverBegan = entries.filter(({ status, items }) => status === "cancelled" && items.length === 0);
  const ofThem = neverBegan.filter(({ answers }) => answers.length > 0 && answers.every((id) => removed.has(id)));
  const gone = new Set(ofThem.flatMap(({ id, answers }) => [id, ...answers]));
  return entries.filter(({ id }) => !gone.has(id));
}

class Path {
  entries = [];
  #forks = [];
  #byId;

  constructor(all) {
    this.#byId = new Map(all.map((entry) => [entry.id, entry]));
  }

  take(entry) {
    if (entry.reason === "answered_by_person") return; // what the person said stands for this one, too
    if (entry.kind === "choice") return this.#choose(entry);
    if (entry.kind === "message" && entry.replaces && entry.state !== "refused") this.#part(entry.replaces, entry.id);
    if (entry.kind === "response" && entry.retryOf) this.#again(entry.retryOf, entry.id);
    this.entries.push(entry);
  }

  versions() {
    const shown = new Set(this.entries.map((entry) => entry.id));
    const found = new Map();
    for (const { chosen, heads } of this.#forks.filter((fork) => shown.has(fork.chosen))) {
      const made = [...heads.keys()].map((id) => ({ id, itemId: this.#itemOf(id) }));
      const all = made.filter(({ id, itemId }) => itemId || id === chosen);
      const index = all.findIndex(({ id }) => id === chosen);
      if (all.length > 1 && index >= 0) found.set(chosen, { index, all });
    }
    return found;
  }

  /** "" for an answer that is not here (yet), or is empty: nobody goes back to such a one, but from it. */
  #itemOf(id) {
    const entry = this.#byId.get(id);
    return entry?.kind === "message" ? entry.id : (entry?.items[0]?.id ?? "");
  }

  /** A try at an answer that came to nothing stays in sight; of one that completed, the new one is a version. */
  #again(old, id) {
    if (this.#byId.get(old)?.status === "completed") return this.#part(old, id);
    const fork = this.#forkOf(old);
    if (!fork) return;
    fork.heads = new Map([...fork.heads].map(([version, head]) => [version === old ? id : version, head]));
    fork.chosen = id;
  }

  #part(old, id) {
    const fork = this.#forkOf(old) ?? this.#begin([old], old);
    fork.aside.set(old, this.#cut(fork));
    fork.heads.set(id, id);
    fork.chosen = id;
  }

  /** Of versions that are further up than what is here, one is only cut off. */
  #choose({ version, insteadOf }) {
    const fork = this.#forkOf(insteadOf) ?? this.#begin([version, insteadOf], insteadOf);
    fork.aside.set(insteadOf, this.#cut(fork));
    this.entries.push(...(fork.aside.get(version) ?? []));
    fork.aside.delete(version);
    if (!fork.heads.has(version)) fork.heads.set(version, version);
    fork.chosen = version;
  }

  #begin(versions, chosen) {
    const fork = { chosen, heads: new Map(versions.map((id) => [id, id])), aside: new Map() };
    this.#forks.push(fork);
    return fork;
  }

  #cut({ chosen, heads }) {
    const place = this.entries.findIndex((entry) => entry.id === heads.get(chosen));
    return place < 0 ? [] : this.entries.splice(place);
  }

  #forkOf(chosen) {
    return this.#forks.find((fork) => fork.chosen === chosen);
  }
}
