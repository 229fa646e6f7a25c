// To the message with the words that were searched for, and a mark on each of them.

const MOST = 200;

export function showHit(talk) {
  const seq = Number(talk.dataset.hit);
  const found = document.getElementById(`seq-${seq}`) ?? talk.querySelector(`[data-done="${seq}"]`) ?? around(talk, seq);
  if (!found) {
    return;
  }
  const words = (talk.dataset.words ?? "").split(/\s+/).filter(Boolean).map(escaped);
  if (words.length) {
    mark(found, new RegExp(`(?<![\\p{L}\\p{N}_])(?:${wanted(words).join("|")})(?![\\p{L}\\p{N}_])`, "giu"));
  }
  found.classList.add("desk-hit");
  (found.querySelector("mark") ?? found).scrollIntoView({ block: "center" });
}

/** The entry in which it came: what failed may have left nothing of its own. */
function around(talk, seq) {
  const begun = [...talk.querySelectorAll(":scope > [id^=seq-]")].filter((one) => Number(one.id.slice(4)) <= seq);
  return begun.at(-1);
}

/** The phrase where the words stand together, else each of them; "a" and "of" stand everywhere and are no find. */
function wanted(words) {
  const long = words.filter((word) => word.length > 2);
  return [words.join("[^\\p{L}\\p{N}_]+"), ...(long.length ? long : words)];
}

const escaped = (word) => word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

function mark(root, pattern) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    texts.push(walker.currentNode);
  }
  let left = MOST;
  for (const text of texts) {
    const places = [...text.data.matchAll(pattern)].slice(0, left);
    left -= places.length;
    for (const place of places.reverse()) {
      const range = document.createRange();
      range.setStart(text, place.index);
      range.setEnd(text, place.index + place[0].length);
      range.surroundContents(document.createElement("mark"));
    }
  }
}
