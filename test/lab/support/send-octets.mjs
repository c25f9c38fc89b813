// node send-octets.mjs JSON: opens a TCP connection, sends octets and prints what comes back until the other end closes.
// {"address", "port", "localAddress", "chunks": [hex, …], "end": close our half afterwards, "waitMs"} -> {"received", "closed"}
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const { address, port, localAddress, chunks, end, waitMs } = JSON.parse(process.argv[2]);
const socket = connect({ host: address, port, localAddress, noDelay: true });
const received = [];
const finish = (closed) => {
  process.stdout.write(JSON.stringify({ received: Buffer.concat(received).toString("hex"), closed }));
  process.exit(0);
};
socket.on("data", (data) => received.push(data));
socket.on("error", () => {});
socket.on("close", () => finish(true));
setTimeout(() => finish(false), waitMs);
socket.on("connect", async () => {
  for (const chunk of chunks) {
    if (!socket.writable) return;
    socket.write(Buffer.from(chunk, "hex"));
    // Each chunk a segment of its own.
    await delay(1);
  }
  if (end) socket.end();
});
