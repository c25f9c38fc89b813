import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { BfdService } from "../../src/bgp/bfd/service.ts";
import type { BfdPeer, BfdStatus } from "../../src/bgp/bfd/types.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { withNamespaceSync } from "../../src/netlink/namespace.ts";
import { TestNamespace } from "../support/network-namespace.ts";

const run = promisify(execFile);
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** BIRD watches our single-hop neighbour on the segment and our address behind it, each with packets every 50 ms. */
const birdConfig = `
log stderr all;
router id 10.0.0.1;
protocol device {}
protocol bfd {
  interface "*" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; };
  multihop { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; };
  neighbor 10.0.0.2;
  neighbor fd00::2;
  neighbor 10.0.2.2 local 10.0.1.1 multihop on;
}
`;

const timers = { desiredMinTxUs: 50_000, requiredMinRxUs: 50_000, detectMultiplier: 3 };
const direct: BfdPeer = {
  name: "direct",
  remoteAddress: "10.0.0.1",
  localAddress: "10.0.0.2",
  scopeId: 0,
  multihop: false,
  timers,
};
const direct6: BfdPeer = { ...direct, name: "direct6", remoteAddress: "fd00::1", localAddress: "fd00::2" };
const far: BfdPeer = { ...direct, name: "far", remoteAddress: "10.0.1.1", localAddress: "10.0.2.2", multihop: true };

interface Side {
  readonly service: BfdService;
  readonly log: { readonly status: BfdStatus; readonly was: string }[];
}

async function startService(namespace: TestNamespace): Promise<Side> {
  const log: Side["log"] = [];
  const service = await withNamespaceSync(namespace.path, () =>
    BfdService.start({
      logger: silentLogger,
      onStatus: (status, was) => log.push({ status, was }),
      onFailure: (error) => {
        throw error;
      },
    }),
  );
  cleanups.push(() => service.close());
  return { service, log };
}

/** Two namespaces on one wire: 10.0.0.1 and fd00::1 on the left, .2 and ::2 on the right, each with an address behind. */
async function startWire(): Promise<{ readonly left: TestNamespace; readonly right: TestNamespace }> {
  const [left, right] = ["left", "right"].map((role) => {
    const namespace = new TestNamespace(role);
    cleanups.push(() => namespace.remove());
    return namespace;
  });
  if (left === undefined || right === undefined) throw new Error("two namespaces are needed");
  await left.ip(`link add wire type veth peer name wire netns ${right.name}`);
  for (const [namespace, own, other] of [
    [left, 1, 2],
    [right, 2, 1],
  ] as const)
    await namespace.ipBatch([
      "link set lo up",
      "link set wire up",
      `address add 10.0.0.${own}/24 dev wire`,
      `address add fd00::${own}/64 dev wire nodad`,
      `address add 10.0.${own}.${own}/32 dev lo`,
      `route add 10.0.${other}.${other}/32 via 10.0.0.${other}`,
    ]);
  return { left, right };
}

async function startBird(namespace: TestNamespace): Promise<(command: string) => Promise<string>> {
  const folder = mkdtempSync(join(tmpdir(), `calibird-bfd-${randomBytes(3).toString("hex")}-`));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const [config, control] = [join(folder, "bird.conf"), join(folder, "bird.ctl")];
  writeFileSync(config, birdConfig);
  const argv = ["netns", "exec", namespace.name, "bird", "-f", "-c", config, "-s", control];
  const bird = spawn("ip", argv, { stdio: "ignore" });
  cleanups.push(async () => {
    if (bird.exitCode !== null) throw new Error(`bird has ended with exit code ${bird.exitCode}`);
    const ended = once(bird, "exit");
    bird.kill();
    await ended;
  });
  return async (command) => (await run("birdc", ["-s", control, ...command.split(" ")])).stdout;
}

function becomes(side: Side, name: string, state: string): Promise<void> {
  return vi.waitFor(() => expect(side.service.status(name)?.state).toBe(state), { timeout: 20_000, interval: 20 });
}

describe("BFD with BIRD", () => {
  test("comes up over one hop, over IPv6 and over several hops, and each side sees what the other asks for", async () => {
    const { left, right } = await startWire();
    const birdc = await startBird(left);
    const ours = await startService(right);
    ours.service.setPeers([direct, direct6, far]);
    for (const name of ["direct", "direct6", "far"]) await becomes(ours, name, "Up");
    await vi.waitFor(
      async () => {
        const rows = (await birdc("show bfd sessions")).split("\n").filter((line) => /10\.0\.|fd00::/.test(line));
        expect(
          rows
            .map((row) => row.trim().split(/\s+/))
            .map(([address, , state]) => `${address} ${state}`)
            .sort(),
        ).toEqual(["10.0.0.2 Up", "10.0.2.2 Up", "fd00::2 Up"]);
        expect(rows.every((row) => /0\.050\s+0\.150/.test(row))).toBe(true);
      },
      { timeout: 20_000, interval: 100 },
    );
    await vi.waitFor(() =>
      expect(ours.service.status("direct")).toMatchObject({ transmitIntervalMs: 50, detectionTimeMs: 150 }),
    );
  });

  test("goes Down at both ends when the wire carries nothing any more, though both interfaces stay up", async () => {
    const { left, right } = await startWire();
    const birdc = await startBird(left);
    const ours = await startService(right);
    ours.service.setPeers([direct]);
    await becomes(ours, "direct", "Up");
    // Frames for a card that nobody has.
    await right.ip("neighbour replace 10.0.0.1 lladdr 02:00:00:00:00:99 dev wire nud permanent");
    await left.ip("neighbour replace 10.0.0.2 lladdr 02:00:00:00:00:99 dev wire nud permanent");
    await becomes(ours, "direct", "Down");
    expect(ours.service.status("direct")?.diagnostic).toBe(1);
    await vi.waitFor(async () => expect(await birdc("show bfd sessions")).toMatch(/10\.0\.0\.2 .*Down/), {
      timeout: 20_000,
    });
    await right.ip("neighbour delete 10.0.0.1 dev wire");
    await left.ip("neighbour delete 10.0.0.2 dev wire");
    await becomes(ours, "direct", "Up");
  });

  test("stays Up while the main thread of the process does nothing for a second", async () => {
    const { left, right } = await startWire();
    await startBird(left);
    const ours = await startService(right);
    ours.service.setPeers([direct]);
    await becomes(ours, "direct", "Up");
    await vi.waitFor(() => expect(ours.service.status("direct")?.detectionTimeMs).toBe(150));
    const before = ours.log.length;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    await new Promise(setImmediate);
    expect(ours.log.slice(before).filter(({ status, was }) => status.state !== was)).toEqual([]);
  });
});

describe("BFD between two of ours", () => {
  test("tells the other side that a session ends on purpose", async () => {
    const { left, right } = await startWire();
    const [there, here] = [await startService(left), await startService(right)];
    there.service.setPeers([{ ...direct, remoteAddress: "10.0.0.2", localAddress: "10.0.0.1" }]);
    here.service.setPeers([direct]);
    await becomes(here, "direct", "Up");
    await becomes(there, "direct", "Up");
    await there.service.close();
    await becomes(here, "direct", "Down");
    expect(here.service.status("direct")).toMatchObject({ diagnostic: 3, remoteState: "AdminDown" });
  });

  test("says in its status why packets cannot be sent, and sends them when they can be", async () => {
    const { left, right } = await startWire();
    const [there, here] = [await startService(left), await startService(right)];
    there.service.setPeers([{ ...direct, remoteAddress: "10.0.0.9", localAddress: "10.0.0.1" }]);
    here.service.setPeers([{ ...direct, localAddress: "10.0.0.9" }]);
    await vi.waitFor(() => expect(here.service.status("direct")?.problem).toMatch(/EADDRNOTAVAIL/), { timeout: 5000 });
    await right.ip("address add 10.0.0.9/24 dev wire");
    await becomes(here, "direct", "Up");
    expect(here.service.status("direct")?.problem).toBeUndefined();
  });
});
