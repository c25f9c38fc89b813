import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { globalPeer } from "./support/resources.ts";

const run = promisify(execFile);

const configOf = (address: string) => `
protocol bgp n1 {
  local ${address} as 64513;
  neighbor 10.0.0.2 as 64512;
  connect delay time 1;
  connect retry time 2;
  error wait time 1, 2;
  ipv4 { import all; export none; };
}`;

/** The lower and the higher BGP identifier than ours decide differently about who wins. */
const routers = { low: "10.0.0.1", high: "10.0.0.254" } as const;

describe("connections that both sides open at the same moment", () => {
  let lab: BirdLab;
  let node: AgentNode;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.2", pods: ["n1-a"] } },
      routers: {
        low: { address: routers.low, config: configOf(routers.low) },
        high: { address: routers.high, config: configOf(routers.high) },
      },
    });
    node = lab.node("n1");
  });
  afterAll(() => lab?.down());

  const tcpConnections = async (router: BirdRouter): Promise<number> => {
    const { stdout } = await run("ip", [
      ...["netns", "exec", router.networkNamespace],
      ...["ss", "-Htn", "state", "established", "( sport = :179 or dport = :179 )"],
    ]);
    return stdout.split("\n").filter((line) => line !== "").length;
  };

  /** Both sides are Established over one and the same TCP connection. */
  const isSettled = async (name: "low" | "high"): Promise<void> => {
    const router = lab.router(name);
    await vi.waitFor(async () => {
      expect(await router.isEstablished("n1")).toBe(true);
      expect((await node.peer(routers[name])).state).toBe("Established");
      expect(await tcpConnections(router)).toBe(1);
    }, patient);
  };

  describe.each(["low", "high"] as const)("with a BIRD whose identifier is the %ser one", (name) => {
    const address = routers[name];
    let router: BirdRouter;
    beforeAll(() => {
      router = lab.router(name);
    });

    it.each([1, 2])("end as one session that stays, round %i", async () => {
      const before = router.log.length;
      await router.birdc("disable", "n1");
      await node.run(["calictl", "delete", "bgppeer", name, "--skip-not-exists"]);
      // Neither side knows the other's hardware address, so both first packets wait for the segment to open and then go.
      await lab.setForwarding(name, false);
      await run("ip", ["-n", router.networkNamespace, "neigh", "flush", "dev", "eth1"]);
      await run("ip", ["-n", node.networkNamespace, "neigh", "flush", "dev", "eth1"]);
      await router.birdc("enable", "n1");
      await vi.waitFor(async () => expect(await router.protocol("n1")).toMatch(/BGP state:\s+Connect/), patient);
      await node.apply(globalPeer(name, address, 64513));
      await vi.waitFor(async () => expect((await node.peer(address)).state).toBe("Connect"), patient);
      await lab.setForwarding(name, true);
      await isSettled(name);
      expect(router.log.slice(before).filter((line) => line.includes("n1: State changed to up"))).toHaveLength(1);
    });

    it("end as one session after BIRD was restarted", async () => {
      await router.kill();
      await router.start(false);
      await isSettled(name);
    });

    it("end as one session after the agent was restarted", async () => {
      await node.kill();
      await node.start();
      await isSettled(name);
    });

    it("make BIRD complain of nothing", async () => {
      // The block and End-of-RIB, which a restarted agent sends only when it has BIRD's: a moment after the session is up.
      await vi.waitFor(
        async () => expect((await node.peer(address)).messages.updatesSent).toBeGreaterThanOrEqual(2),
        patient,
      );
      const { kinds, complaints } = await router.capture.sentBy(node.address);
      expect(complaints).toEqual([]);
      const sessions = kinds.get("END-OF-RIB") ?? 0;
      expect(sessions).toBeGreaterThanOrEqual(4);
      // One more for each connection that got so far before it had to go.
      expect(kinds.get("OPEN")).toBeGreaterThanOrEqual(sessions);
      // We reject BIRD while it has no BGPPeer.
      expect(router.complaints([/n1: Received: Connection (rejected|collision resolution)$/])).toEqual([]);
    });
  });
});
