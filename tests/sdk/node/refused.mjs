// A connection that the server refuses: the error that it sends, and the code with which it closes.

import { connect, report, Talk } from "./clients.mjs";

const talk = new Talk().add(connect());
const [code] = await new Promise((resolve) => {
  const { socket } = talk.connection;
  socket.addEventListener("close", (event) => resolve([event.code]));
});
report(talk, { code });
