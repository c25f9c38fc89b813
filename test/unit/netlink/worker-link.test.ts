import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { NetlinkError } from "../../../src/netlink/errors.ts";
import { WorkerLink } from "../../../src/netlink/worker-link.ts";
import { createEventFd } from "../../../src/sys/libc.ts";

/** A thread that runs `code`, with `port` and `reports` at hand, and its descriptors. */
function startThread(code: string) {
  const setup = { wakeFd: createEventFd(), requestFd: createEventFd(), monitorFd: createEventFd() };
  const worker = new Worker(`const { parentPort: port } = require("node:worker_threads"); ${code}`, { eval: true });
  const failures: NetlinkError[] = [];
  const link = WorkerLink.start(worker, setup, {
    events() {},
    overrun() {},
    failed: (error) => failures.push(error),
  });
  return { link, failures };
}

const ready = 'port.postMessage({ kind: "ready" });';
const anyBytes = (): Uint8Array<ArrayBuffer> => new Uint8Array(4);

describe("WorkerLink", () => {
  test("does not start with a thread that fails before it is ready", async () => {
    const { link, failures } = startThread('throw new TypeError("no way");');
    await expect(link).rejects.toMatchObject({ code: "WORKER_FAILED", message: expect.stringContaining("no way") });
    expect(failures).toHaveLength(1);
  });

  test("rejects what is pending and what comes later when the thread throws, and says so once", async () => {
    const { link, failures } = startThread(`${ready} port.on("message", () => { throw new TypeError("broken"); });`);
    const started = await link;
    const error = { code: "WORKER_FAILED", message: "the netlink worker has ended: broken" };
    await Promise.all([
      expect(started.exchange(anyBytes(), 1)).rejects.toMatchObject(error),
      expect(started.query(anyBytes(), 1)).rejects.toMatchObject(error),
      expect(started.setMembership([1], true)).rejects.toMatchObject(error),
    ]);
    await expect(started.query(anyBytes(), 1)).rejects.toMatchObject(error);
    await started.close();
    expect(failures.map(({ message }) => message)).toEqual([error.message]);
  });

  test("takes a thread that just ends for a failure", async () => {
    const { link, failures } = startThread(`${ready} port.once("message", () => process.exit(3));`);
    const pending = (await link).exchange(anyBytes(), 1);
    await expect(pending).rejects.toMatchObject({ message: expect.stringContaining("code 3") });
    expect(failures).toHaveLength(1);
  });

  test("gives each call its own report, in whatever order they come", async () => {
    const { link } = startThread(`${ready}
      const seen = [];
      port.on("message", (command) => {
        if (command.kind === "close") return port.close();
        seen.push(command);
        if (seen.length < 3) return;
        for (const { id, lastSequence } of seen.reverse())
          port.postMessage({ kind: "batch", id, outcome: { kind: "not-sent", errno: lastSequence } });
      });`);
    const started = await link;
    const outcomes = await Promise.all([1, 2, 3].map((sequence) => started.exchange(anyBytes(), sequence)));
    expect(outcomes).toEqual([1, 2, 3].map((errno) => ({ kind: "not-sent", errno })));
    await started.close();
  });

  test("tells the thread of reports that were dealt with several at a time, and forgets none", async () => {
    const { link } = startThread(`${ready}
      let messages = 0, reports = 0;
      port.on("message", (command) => {
        if (command.kind === "close") return port.close();
        if (command.kind === "events-consumed") { messages++; reports += command.reports; return; }
        const refusals = [{ sequence: messages, errno: reports }];
        port.postMessage({ kind: "batch", id: command.id, outcome: { kind: "answered", refusals, isComplete: true } });
      });`);
    const started = await link;
    for (let report = 0; report < 20; report++) started.eventsConsumed();
    expect(await started.exchange(anyBytes(), 1)).toMatchObject({ refusals: [{ sequence: 2, errno: 16 }] });
    for (let report = 0; report < 4; report++) started.eventsConsumed();
    expect(await started.exchange(anyBytes(), 1)).toMatchObject({ refusals: [{ sequence: 3, errno: 24 }] });
    await started.close();
  });

  test("does not call it a failure when the thread ends because it was closed", async () => {
    const { link, failures } = startThread(`${ready} port.once("message", () => port.close());`);
    const started = await link;
    await Promise.all([started.close(), started.close()]);
    await expect(started.exchange(anyBytes(), 1)).rejects.toMatchObject({ code: "CLOSED" });
    expect(failures).toEqual([]);
  });
});
