/** The tab's storage; in a frame whose browser allows it none, one that lives as long as the page. */

const kept = new Map();
const MEMORY = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: (key) => kept.delete(key),
};

export function tabStorage() {
  try {
    return window.sessionStorage;
  } catch {
    return MEMORY;
  }
}
