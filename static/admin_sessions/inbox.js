// The count of what waits for the staff, in the menu of every page: told over a socket, and asked for where none can be had.

(() => {
  const POLL_MS = 20_000;
  const RETRY_MS = [1_000, 3_000, 10_000, 30_000];
  let failures = 0;

  function show({ count, words }) {
    const badge = document.getElementById("inbox-count");
    if (!badge || typeof count !== "number") return;
    const changed = badge.dataset.count !== String(count);
    badge.dataset.count = String(count);
    badge.textContent = String(words);
    const news = document.getElementById("inbox-news");
    // What this page itself is doing is no news to it.
    if (news && changed && !("own" in badge.dataset)) news.hidden = false;
  }

  async function ask(address) {
    const answer = await fetch(address, { headers: { Accept: "application/json" }, redirect: "error" });
    if (answer.ok) show(await answer.json());
  }

  function poll(address) {
    setInterval(() => {
      if (!document.hidden) ask(address).catch(() => {});
    }, POLL_MS);
  }

  function listen(address) {
    const url = new URL("/ws/staff/inbox", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.addEventListener("message", ({ data }) => {
      failures = 0;
      show(JSON.parse(data));
    });
    socket.addEventListener("close", ({ code }) => {
      if (code === 4401 || failures >= RETRY_MS.length) {
        poll(address);
        return;
      }
      setTimeout(() => listen(address), RETRY_MS[failures]);
      failures += 1;
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    const badge = document.getElementById("inbox-count");
    if (badge) listen(badge.dataset.poll);
  });
})();
