// An answer over a line that breaks, or from a server that restarts: the client comes back to the place where it was.
//
// 7 has a reconnect of its own and asks for the address each time; 6 has none, so a new connection is made by hand.

import { connect, given, report, Talk } from "./clients.mjs";

const talk = new Talk();

function placed(url) {
  for (const [name, value] of Object.entries(talk.query)) url.searchParams.set(name, value);
  return url;
}

function recovering() {
  const connection = connect({
    reconnect: true,
    maxReconnectAttempts: 1000,
    reconnectInitialDelay: 50,
    reconnectMaxDelay: 500,
    buildRealtimeURL: () => placed(new URL(`${given.baseURL.replace("https:", "wss:")}/realtime`)),
  });
  connection.on("reconnecting", ({ closeCode }) => talk.closes.push(closeCode));
  return connection;
}

function again() {
  const connection = connect({ onURL: placed });
  connection.socket.addEventListener("close", ({ code }) => {
    talk.closes.push(code);
    setTimeout(() => talk.add(again()), 50);
  });
  return connection;
}

talk.add(given.client.startsWith("7") ? recovering() : again());
await talk.until("session.created");
const response = await talk.ask(given.question);
report(talk, { response });
