/** A program that tells whoever connects to a TCP port the address that it came from. Writes a line when it listens. */
export function peerServer(address: string, port: number): string[] {
  const script = `require("node:net")
    .createServer((socket) => { socket.on("error", () => {}); socket.end(socket.remoteAddress + "\\n"); })
    .listen(${port}, "${address}", () => console.log("listening"));`;
  return [process.execPath, "-e", script];
}

/**
 * A program that connects to a `peerServer` so often, one connection after the other, and writes a line per answer; a
 * connection that takes longer than three seconds ends it with an error. It comes from `from` if that is given.
 */
export function peerClient(address: string, port: number, options: { count?: number; from?: string } = {}): string[] {
  const { count = 1, from } = options;
  const to = JSON.stringify({ host: address, port, ...(from !== undefined && { localAddress: from }) });
  const script = `const connect = () => new Promise((resolve, reject) => {
      const socket = require("node:net").connect(${to});
      socket.setTimeout(3000, () => socket.destroy(new Error("no answer")));
      let text = "";
      socket.on("data", (bytes) => { text += bytes; }).on("error", reject).on("end", () => resolve(text));
    });
    (async () => { for (let n = 0; n < ${count}; n++) process.stdout.write(await connect()); })()
      .catch((error) => { console.error(error.message); process.exit(1); });`;
  return [process.execPath, "-e", script];
}
