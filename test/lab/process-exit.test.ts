import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";

const sockets = new URL("../../dist/sys/tcp/native-sockets.js", import.meta.url).href;

/** A process that listens, is connected to itself, and then does something while nothing happens on its sockets. */
const program = (ending: string) => `
  import { nativeSockets } from ${JSON.stringify(sockets)};
  const user = { onOctets() {}, onEnd() {}, onUnsent() {}, onError() {}, onClosed() {} };
  let connected;
  const accepted = new Promise((resolve) => { connected = resolve; });
  const onConnection = (connection) => { connection.use(user); connected(connection); };
  const listener = await nativeSockets.listen({ address: "127.0.0.1", port: 0, backlog: 1, onConnection, onError() {} });
  const request = { address: "127.0.0.1", port: listener.port, options: {} };
  const dialled = await nativeSockets.dial(request, new AbortController().signal);
  dialled.use(user);
  const connections = [dialled, await accepted];
  setTimeout(() => { ${ending} }, 100);
`;

let child: ReturnType<typeof spawn> | undefined;
afterEach(() => {
  child?.kill("SIGKILL");
});

it.each([
  ["exits", "process.exit(3);", 3],
  ["fails with an uncaught exception", "throw new Error('unforeseen');", 1],
  ["has closed its sockets", "listener.close(); for (const connection of connections) connection.destroy();", 0],
])("a process with open sockets ends when it %s", async (_how, ending, expected) => {
  child = spawn(process.execPath, ["--input-type=module", "--eval", program(ending)], { stdio: "ignore" });
  const [code] = await once(child, "exit", { signal: AbortSignal.timeout(60_000) });
  expect(code).toBe(expected);
});
