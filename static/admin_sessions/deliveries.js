// What becomes of messages that are on their way, without loading the page anew: its form may hold what nobody has saved yet.

const [SOON_MS, LATER_MS] = [2_000, 15_000];
const [SOON, MOST] = [30, 240];

const waits = () => document.querySelector("[data-follows][data-waits], [data-follows] [data-waits], #result_list [data-waits]");

async function look() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-follows]")) {
    const now = fresh.getElementById(old.id);
    if (now && !old.contains(document.activeElement)) old.replaceWith(document.adoptNode(now));
  }
  showRows(fresh);
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

for (let looks = 0; looks < MOST && waits(); looks += 1) {
  await new Promise((later) => setTimeout(later, looks < SOON ? SOON_MS : LATER_MS));
  if (!document.hidden) await look().catch(() => undefined); // the next one may come through
}
