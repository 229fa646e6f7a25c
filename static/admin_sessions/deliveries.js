// What becomes of a message that is on its way, without loading the page anew: its form may hold what nobody has saved yet.

const EVERY_MS = 2_000;
const MOST = 30;

const table = () => document.getElementById("last-deliveries");

async function look() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("last-deliveries");
  if (fresh) table().tBodies[0].replaceWith(document.adoptNode(fresh.tBodies[0]));
}

for (let tries = 0; tries < MOST && table()?.querySelector("[data-waits]"); tries += 1) {
  await new Promise((later) => setTimeout(later, EVERY_MS));
  await look().catch(() => undefined); // the next one may come through
}
