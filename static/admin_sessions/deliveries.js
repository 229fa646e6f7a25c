// What becomes of messages that are on their way, without loading the page anew: its form may hold what nobody has saved yet.

const [SOON_MS, LATER_MS] = [2_000, 15_000];
const [SOON, MOST] = [30, 240];

const NO_ANSWER = "No answer from the server. Look whether it was done before you try again.";

const waits = () => document.querySelector("[data-follows][data-waits], [data-follows] [data-waits], #result_list [data-waits]");
const rowsBelow = () => [...document.querySelectorAll("#last-deliveries tr[id]")];
/** The row of the test, or of the message again, that was sent from this page. */
let marked;

async function pageOf(answer) {
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

async function look() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  show(await pageOf(answer));
}

function show(fresh) {
  for (const old of document.querySelectorAll("[data-follows]")) {
    const now = fresh.getElementById(old.id);
    const row = rowOfButton(old);
    if (!now || (old.contains(document.activeElement) && !row)) continue;
    old.replaceWith(document.adoptNode(now));
    focusButton(row);
  }
  showRows(fresh);
  document.getElementById(marked)?.classList.add("is-new");
}

/** The id of the row whose button has the focus. */
function rowOfButton(part) {
  const focused = document.activeElement;
  return part.contains(focused) && focused.matches("button") ? focused.closest("tr[id]")?.id : undefined;
}

function focusButton(row) {
  document.getElementById(row)?.querySelector("button")?.focus({ preventScroll: true });
}

/** A list's rows stay, with the boxes that are ticked: what stands in them is new. */
function showRows(fresh) {
  const boxOf = (row) => row.querySelector("input.action-select");
  const rowsOf = (page) => [...page.querySelectorAll("#result_list tr")].filter(boxOf);
  const now = new Map(rowsOf(fresh).map((row) => [boxOf(row).value, row]));
  for (const row of rowsOf(document)) {
    const cells = [...(now.get(boxOf(row).value)?.cells ?? [])];
    [...row.cells].forEach((cell, place) => {
      const other = cells[place];
      if (other && cell.innerHTML !== other.innerHTML && !cell.contains(boxOf(row)) && !cell.contains(document.activeElement)) {
        cell.replaceWith(document.adoptNode(other));
      }
    });
  }
}

let follows = false;

async function follow() {
  if (follows) return;
  follows = true;
  for (let looks = 0; looks < MOST && waits(); looks += 1) {
    await new Promise((later) => setTimeout(later, looks < SOON ? SOON_MS : LATER_MS));
    if (!document.hidden) await look().catch(() => undefined); // the next one may come through
  }
  follows = false;
}

async function sent(form) {
  const body = new FormData(form);
  if (form.dataset.asks) body.set("sure", "1");
  try {
    return await fetch(form.getAttribute("action"), { method: "POST", body }); // it has a field of that name
  } catch {
    return null; // it may have been done: nothing is sent a second time by itself
  }
}

/** Send a form of the page and show what came of it in place: what is typed in the other form stays. */
async function sendInPlace(form) {
  const row = form.closest("tr[id]")?.id;
  const told = document.querySelector("[data-told]");
  const answer = await sent(form);
  if (!answer) {
    told.textContent = NO_ANSWER;
    told.scrollIntoView({ block: "center" });
    return;
  }
  if (!answer.ok || new URL(answer.url).pathname !== location.pathname) throw new Error("not shown here");
  const fresh = await pageOf(answer);
  const known = new Set(rowsBelow().map((row) => row.id));
  marked = [...fresh.querySelectorAll("#last-deliveries tr[id]")].find(({ id }) => !known.has(id))?.id ?? row ?? marked;
  const secret = fresh.querySelector(".sx-secret")?.parentElement;
  show(fresh);
  focusButton(row);
  if (secret) {
    told.replaceChildren(document.adoptNode(secret));
    form.closest("details")?.removeAttribute("open");
    told.scrollIntoView({ block: "center" });
  } else {
    document.getElementById(marked)?.scrollIntoView({ block: "center" });
  }
  follow();
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-stays]")) return;
  event.preventDefault();
  if (form.dataset.asks && !confirm(form.dataset.asks)) return;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await sendInPlace(form);
  } catch {
    form.submit(); // the browser asks before it leaves what was typed
  }
  button.disabled = false;
});

follow();
