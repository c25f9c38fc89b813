import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../src/core/logger.ts";
import { diffTable } from "../../src/nat/diff.ts";
import { readTable } from "../../src/nat/listing.ts";
import { NatManager } from "../../src/nat/manager.ts";
import { createNftRunner } from "../../src/nat/program.ts";
import { type NatOptions, type NatState, natTables } from "../../src/nat/ruleset.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { withNamespaceSync } from "../../src/netlink/namespace.ts";
import { openRawIpSocket } from "../../src/sys/ip-sockets.ts";
import { MessageBatch } from "../../src/sys/message-batch.ts";
import { PacketMemory } from "../../src/sys/packet-memory.ts";
import { natState } from "../support/nat-states.ts";
import { TestNamespace } from "../support/network-namespace.ts";
import { ManualClock } from "../support/scripted-speaker.ts";
import { peerClient, peerServer } from "./support/peer-server.ts";

const port = 7777;
const patience = { timeout: 15_000, interval: 20 };

/** A node that forwards between a pod and the world, which knows no way to the pod; one NatManager on the node. */
class Bench {
  readonly pod = new TestNamespace("pod");
  readonly node = new TestNamespace("node");
  readonly world = new TestNamespace("world");
  readonly clock = new ManualClock();
  readonly nft = createNftRunner(["ip", "netns", "exec", this.node.name]);
  readonly manager = new NatManager({ run: this.nft, clock: this.clock, random: Math.random, logger: silentLogger });
  readonly #programs: ChildProcess[] = [];
  readonly #endings: (() => void)[] = [];

  async start(): Promise<void> {
    await this.node.ip(`link add pod0 type veth peer name eth0 netns ${this.pod.name}`);
    await this.node.ip(`link add eth0 type veth peer name eth0 netns ${this.world.name}`);
    await this.node.ipBatch([
      "addr add 10.244.0.1/24 dev pod0",
      "addr add 192.0.2.1/24 dev eth0",
      "link set pod0 up",
      "link set eth0 up",
      "link set lo up",
    ]);
    await this.pod.ipBatch(["addr add 10.244.0.2/24 dev eth0", "link set eth0 up", "route add default via 10.244.0.1"]);
    await this.world.ipBatch(["addr add 192.0.2.2/24 dev eth0", "link set eth0 up", "link set lo up"]);
    await this.node.exec("sysctl", "-q", "-w", "net.ipv4.ip_forward=1");
    await this.serve(this.world, "0.0.0.0");
  }

  async serve(namespace: TestNamespace, address: string): Promise<void> {
    const [stdout] = this.#spawn(namespace, peerServer(address, port));
    await expect.poll(() => stdout.text, patience).toContain("listening");
  }

  /** Runs until `stop` of the result, which gives all that it wrote. */
  background(namespace: TestNamespace, ...argv: string[]): { stop(): Promise<string> } {
    const [output, child] = this.#spawn(namespace, argv);
    return {
      stop: async () => {
        child.kill("SIGINT");
        if (child.exitCode === null) await once(child, "close");
        return output.text;
      },
    };
  }

  async apply(state: NatState): Promise<void> {
    this.manager.update(state);
    await expect.poll(() => this.manager.status(), patience).toMatchObject({ applied: true, error: undefined });
  }

  /** The address that the world sees. */
  async seenAs(from: TestNamespace, to: string, source?: string): Promise<string> {
    const client = peerClient(to, port, source === undefined ? {} : { from: source });
    const [program = "", ...args] = client;
    return (await from.exec(program, ...args)).trim();
  }

  whenEnded(step: () => void): void {
    this.#endings.push(step);
  }

  async end(): Promise<void> {
    for (const step of this.#endings) step();
    await this.manager.stop();
    for (const program of this.#programs) program.kill("SIGKILL");
    for (const namespace of [this.pod, this.node, this.world]) namespace.remove();
  }

  #spawn(namespace: TestNamespace, argv: readonly string[]): [{ text: string }, ChildProcess] {
    const child = spawn("ip", ["netns", "exec", namespace.name, ...argv], { stdio: ["ignore", "pipe", "pipe"] });
    this.#programs.push(child);
    const output = { text: "" };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output.text += text;
      });
    return [output, child];
  }
}

const defaults: NatOptions = {
  natOutgoingExclusions: "IPPoolsOnly",
  protectEncapsulation: false,
  vxlanPort: 4789,
  udpPort: 8285,
};
const vxlan = { name: "vxlan.calico", family: 4, encapsulation: "vxlan" } as const;

function state(change: Partial<NatState> = {}, options: Partial<NatOptions> = {}): NatState {
  return {
    pools: [{ cidr: Prefix.parse("10.244.0.0/24"), natOutgoing: true }],
    nodeAddresses: [IpAddress.parse("192.0.2.1"), IpAddress.parse("192.0.2.2")],
    tunnelDevices: [],
    ...change,
    options: { ...defaults, ...options },
  };
}

let bench: Bench;
beforeEach(async () => {
  bench = new Bench();
  await bench.start();
});
afterEach(() => bench.end());

describe("the kernel's tables of address translation", () => {
  it("can be brought from any state to any other, and are then listed as they were written", async () => {
    await fc.assert(
      fc.asyncProperty(natState, async (wanted) => {
        await bench.apply(wanted);
        for (const table of natTables(wanted)) {
          if (!table.needed) continue;
          const listed = await bench.nft([{ list: { table: { family: table.family, name: "calibird" } } }]);
          expect(diffTable(readTable(listed), table)).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
    expect(bench.manager.status().repairs).toBe(0);
  });

  it("are repaired at the next check after somebody flushed everything", async () => {
    await bench.apply(state());
    await bench.node.exec("nft", "flush", "ruleset");
    bench.clock.advance(70_000);
    await expect.poll(() => bench.manager.status().repairs, patience).toBe(1);
    await expect.poll(() => bench.node.exec("nft", "list", "tables"), patience).toBe("table ip calibird\n");
    expect(await bench.seenAs(bench.pod, "192.0.2.2")).toBe("192.0.2.1");
  });

  it("lose no packet and mistranslate no connection while they are replaced as a whole", async () => {
    await bench.apply(state());
    const ping = bench.background(bench.pod, "ping", "-n", "-i", "0.01", "192.0.2.2");
    const connections = bench.background(bench.pod, ...peerClient("192.0.2.2", port, { count: 100_000 }));
    for (let round = 0; round < 25; round++) {
      await bench.apply(state({}, { protectEncapsulation: true }));
      await bench.apply(state({ tunnelDevices: [vxlan] }));
    }
    const report = await ping.stop();
    const [, sent = "", received = ""] = /(\d+) packets transmitted, (\d+) received/.exec(report) ?? [];
    expect(Number(sent)).toBeGreaterThan(50);
    // The last one may still be on its way.
    expect(Number(sent) - Number(received)).toBeLessThanOrEqual(1);
    const answers = (await connections.stop()).trim().split("\n");
    expect(answers.length).toBeGreaterThan(50);
    expect(new Set(answers)).toEqual(new Set(["192.0.2.1"]));
  });

  it("are removed on request, and nothing else is", async () => {
    await bench.node.exec("nft", "add", "table", "ip", "nat");
    await bench.apply(
      state({ pools: ["10.244.0.0/24", "fd00::/64"].map((cidr) => ({ cidr: Prefix.parse(cidr), natOutgoing: true })) }),
    );
    expect(await bench.node.exec("nft", "list", "tables")).toBe(
      "table ip nat\ntable ip calibird\ntable ip6 calibird\n",
    );
    await bench.manager.remove();
    expect(await bench.node.exec("nft", "list", "tables")).toBe("table ip nat\n");
  });
});

describe("a packet", () => {
  it("leaves from natOutgoingAddress and from a port of natPortRange", async () => {
    await bench.node.ip("addr add 192.0.2.77/32 dev eth0");
    await bench.apply(
      state({}, { natOutgoingAddress: IpAddress.parse("192.0.2.77"), natPortRange: { first: 50_000, last: 50_003 } }),
    );
    expect(await bench.seenAs(bench.pod, "192.0.2.2")).toBe("192.0.2.77");
    const connections = await bench.node.exec("nft", "list", "table", "ip", "calibird");
    expect(connections).toContain("snat to 192.0.2.77:50000-50003 fully-random");
  });

  it("is only translated where the interface filter matches", async () => {
    await bench.world.ip("route add 10.244.0.0/24 via 192.0.2.1");
    await bench.apply(state({}, { outInterfaceFilter: "eth+" }));
    expect(await bench.seenAs(bench.pod, "192.0.2.2")).toBe("192.0.2.1");
    await bench.apply(state({}, { outInterfaceFilter: "wlan+" }));
    expect(await bench.seenAs(bench.pod, "192.0.2.2")).toBe("10.244.0.2");
  });

  it("of the host gets the tunnel's address on its way into the tunnel", async () => {
    await tunnelToWorld();
    await bench.apply(state({ tunnelDevices: [] }));
    expect(await bench.seenAs(bench.node, "10.99.0.2", "192.0.2.1")).toBe("192.0.2.1");
    await bench.apply(state({ tunnelDevices: [vxlan] }));
    expect(await bench.seenAs(bench.node, "10.99.0.2", "192.0.2.1")).toBe("10.99.0.1");
    expect(await bench.seenAs(bench.node, "10.99.0.2", "10.99.0.1")).toBe("10.99.0.1");
  });

  it("in VXLAN is dropped if it comes from no node and protection is asked for", async () => {
    await tunnelToWorld();
    const tunnel = { tunnelDevices: [vxlan] };
    const reachesThrough = () =>
      bench.world.exec("ping", "-n", "-c", "1", "-W", "1", "10.99.0.1").then(
        () => true,
        () => false,
      );
    await bench.apply(state(tunnel));
    expect(await reachesThrough()).toBe(true);
    await bench.apply(state(tunnel, { protectEncapsulation: true }));
    expect(await reachesThrough()).toBe(true);
    await bench.apply(
      state({ ...tunnel, nodeAddresses: [IpAddress.parse("192.0.2.1")] }, { protectEncapsulation: true }),
    );
    expect(await reachesThrough()).toBe(false);
    await bench.apply(state({ ...tunnel, nodeAddresses: [] }));
    expect(await reachesThrough()).toBe(true);
  });

  it("in VXLAN over IPv6 is dropped by the same rule, which goes by the nodes' IPv6 addresses", async () => {
    for (const [namespace, own, other] of tunnelEnds())
      await namespace.ipBatch([
        `addr add 2001:db8::${own}/64 dev eth0 nodad`,
        `link add vxlan-v6.calico type vxlan id 4096 dstport 4789 local 2001:db8::${own} remote 2001:db8::${other} dev eth0`,
        `addr add fd00:99::${own}/64 dev vxlan-v6.calico nodad`,
        "link set vxlan-v6.calico up",
      ]);
    const tunnelDevices = [{ name: "vxlan-v6.calico", family: 6, encapsulation: "vxlan" } as const];
    const reachesThrough = () =>
      bench.world.exec("ping", "-n", "-c", "1", "-W", "1", "fd00:99::1").then(
        () => true,
        () => false,
      );
    const nodes = (...addresses: string[]) => ({ tunnelDevices, nodeAddresses: addresses.map(IpAddress.parse) });
    await bench.apply(state(nodes("2001:db8::1")));
    expect(await reachesThrough()).toBe(true);
    await bench.apply(state(nodes("2001:db8::1", "192.0.2.2"), { protectEncapsulation: true }));
    expect(await reachesThrough()).toBe(false);
    await bench.apply(state(nodes("2001:db8::1", "2001:db8::2"), { protectEncapsulation: true }));
    expect(await reachesThrough()).toBe(true);
  });

  it("of protocol 4 is dropped if it comes from no node and protection is asked for", async () => {
    const [sender, receiver] = [rawSocket(bench.world), rawSocket(bench.node)];
    const slotBytes = 256;
    const memory = new PacketMemory(8 * slotBytes);
    const { bytes, view } = memory;
    const batch = new MessageBatch(memory, { messages: 8, vectors: 8 });
    const send = (mark: number) => {
      bytes.fill(0);
      // An IPv4 header without options, of protocol 4, from the world to the node; the kernel does the rest.
      view.setUint8(0, 0x45);
      view.setUint16(8, 0x4004);
      view.setUint32(16, IpAddress.parse("192.0.2.1").w0);
      view.setUint8(20, mark);
      batch.clear();
      batch.begin(IpAddress.parse("192.0.2.1").w0, 0, 0);
      batch.add(0, 21);
      expect(batch.send(sender, 0)).toBe(1);
    };
    const arrived: number[] = [];
    const receive = () => {
      const count = batch.receive(receiver, slotBytes);
      for (let slot = 0; slot < count; slot++) arrived.push(view.getUint8(slot * slotBytes + 20));
      return arrived;
    };
    const onlyNode = [IpAddress.parse("192.0.2.1")];
    await bench.apply(state({ nodeAddresses: onlyNode }));
    send(1);
    await expect.poll(receive, patience).toEqual([1]);
    await bench.apply(state({ nodeAddresses: onlyNode }, { protectEncapsulation: true }));
    send(2);
    await bench.apply(state({}, { protectEncapsulation: true }));
    send(3);
    // Packets do not overtake each other here, so the second one will not come any more.
    await expect.poll(receive, patience).toEqual([1, 3]);
  });

  it("that a firewall of the host drops stays dropped, whatever our tables say", async () => {
    await tunnelToWorld();
    await bench.apply(state({ tunnelDevices: [vxlan] }, { protectEncapsulation: true }));
    for (const command of [
      "add table inet firewall",
      "add chain inet firewall input { type filter hook input priority 10 ; }",
      "add rule inet firewall input udp dport 4789 drop",
    ])
      await bench.node.exec("nft", command);
    await expect(bench.world.exec("ping", "-n", "-c", "1", "-W", "1", "10.99.0.1")).rejects.toThrow();
    await bench.node.exec("nft", "insert rule inet firewall input ip saddr 192.0.2.2 udp dport 4789 accept");
    // The neighbour that was asked for in vain may be asked for again only a second later.
    await vi.waitFor(() => bench.world.exec("ping", "-n", "-c", "1", "-W", "1", "10.99.0.1"), patience);
  });
});

/** A socket for packets of protocol 4, closed at the end of the test. */
function rawSocket({ path }: TestNamespace): number {
  const fd = withNamespaceSync(path, () => openRawIpSocket(4, 65_536));
  bench.whenEnded(() => closeSync(fd));
  return fd;
}

/** The two ends of a tunnel: namespace, last part of its own address and of the other's. */
const tunnelEnds = () =>
  [
    [bench.node, 1, 2],
    [bench.world, 2, 1],
  ] as const;

/** A VXLAN tunnel between the node (10.99.0.1) and the world (10.99.0.2). */
async function tunnelToWorld(): Promise<void> {
  for (const [namespace, own, other] of tunnelEnds())
    await namespace.ipBatch([
      `link add vxlan.calico type vxlan id 4096 dstport 4789 local 192.0.2.${own} remote 192.0.2.${other} dev eth0`,
      `addr add 10.99.0.${own}/24 dev vxlan.calico`,
      "link set vxlan.calico up",
    ]);
}
