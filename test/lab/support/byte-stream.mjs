// node byte-stream.mjs listen ADDRESS PORT | connect ADDRESS PORT: a TCP connection on which both ends send octets that follow
// from their position, and check every one that comes, until one is interrupted and closes its half; then the other does so,
// too. Prints "listening" or "connected", now and then "received COUNT", and at the end {"sent", "received", "wrong": first wrong position, "error"}.
import { connect, createServer } from "node:net";

const [role, host, port] = process.argv.slice(2);
const chunkOctets = 4096;
const everyMs = 4;
/** A prime, so that no two chunks are alike for long. */
const period = 251;
const pattern = Buffer.from(Array.from({ length: chunkOctets + period }, (_, position) => position % period));
const at = (position, length) => pattern.subarray(position % period, (position % period) + length);

function run(socket) {
  const report = { sent: 0, received: 0, wrong: null, error: null };
  let open = true;
  const timer = setInterval(() => {
    // Nothing more while the other end does not take it.
    if (!open || socket.writableLength > 16 * chunkOctets) return;
    socket.write(at(report.sent, chunkOctets));
    report.sent += chunkOctets;
  }, everyMs);
  const progress = setInterval(() => console.log(`received ${report.received}`), 200);
  const finish = () => {
    open = false;
    socket.end();
  };
  process.once("SIGINT", finish);
  socket.on("data", (data) => {
    for (let done = 0; done < data.length; done += chunkOctets) {
      const part = data.subarray(done, done + chunkOctets);
      if (report.wrong === null && !part.equals(at(report.received, part.length))) report.wrong = report.received;
      report.received += part.length;
    }
  });
  socket.on("end", finish);
  socket.on("error", (error) => {
    report.error = error.message;
  });
  socket.on("close", () => {
    clearInterval(timer);
    clearInterval(progress);
    console.log(JSON.stringify(report));
    process.exit(0);
  });
}

if (role === "listen") {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    server.close();
    run(socket);
  });
  server.listen(Number(port), host, () => console.log("listening"));
} else {
  const socket = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
  socket.once("connect", () => console.log("connected"));
  run(socket);
}
