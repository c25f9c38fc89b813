import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { clusterBgp, globalPeer } from "./support/resources.ts";

/** Passwords that can be told from any other text. */
const [first, second] = ["xyzzy-first", "xyzzy-second"] as const;

/** A BIRD that waits for us, on the port that everybody uses. */
const waiting = (password: string) => `
protocol bgp n1 {
  local 10.0.0.253 as 64513;
  neighbor 10.0.0.1 as 64512;
  passive yes;
  multihop 2;
  ttl security on;
  password "${password}";
  graceful restart on;
  error wait time 1, 2;
  ipv4 { import all; export none; };
}`;

/** A BIRD that nobody can dial, because it listens elsewhere. */
const dialling = (password: string, port: number) => `
protocol bgp n1 {
  local 10.0.0.254 port 1179 as 64514;
  neighbor 10.0.0.1 port ${port} as 64512;
  connect delay time 1;
  connect retry time 2;
  error wait time 1, 2;
  multihop;
  password "${password}";
  graceful restart on;
  ipv4 { import all; export none; };
}`;

const reference = (key: string) => ({ password: { secretKeyRef: { name: "bgp", key } } });

describe("TCP passwords and TTL security with BIRD", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let listener: BirdRouter;
  let dialler: BirdRouter;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1" } },
      routers: {
        r1: { address: "10.0.0.253", config: waiting(first) },
        r2: { address: "10.0.0.254", config: dialling(first, 179) },
      },
      resources: [
        globalPeer("waits", "10.0.0.253", 64513, { ...reference("waits"), ttlSecurity: 2 }),
        globalPeer("dials", "10.0.0.254", 64514, reference("dials")),
      ],
    });
    node = lab.node("n1");
    listener = lab.router("r1");
    dialler = lab.router("r2");
  });
  afterAll(() => lab?.down());

  const isUp = (router: BirdRouter) =>
    vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(true), patient);

  it("leaves a session out while its password is not known", async () => {
    await vi.waitFor(async () => {
      const status = JSON.parse(await node.run(["calictl", "node", "status", "-o", "json"]));
      expect(status.node.problems).toEqual(
        ["dials", "waits"].map((name) =>
          expect.stringContaining(
            `BGPPeer ${name} is not configured: the password of secret bgp, key ${name}, can't be read`,
          ),
        ),
      );
    }, patient);
    expect(await node.peers()).toEqual([]);
  });

  it("opens sessions in both directions as soon as it is", async () => {
    lab.writeSecret("bgp", "waits", first);
    lab.writeSecret("bgp", "dials", first);
    await Promise.all([isUp(listener), isUp(dialler)]);
    expect(await node.peer("10.0.0.253")).toMatchObject({
      authentication: "tcp-md5",
      minimumTtl: 254,
      state: "Established",
    });
    expect(await node.peer("10.0.0.254")).toMatchObject({ authentication: "tcp-md5", minimumTtl: null });
  });

  it("changes the password of one session when both sides have the new one, and touches no other", async () => {
    lab.writeSecret("bgp", "dials", second);
    await dialler.configure(dialling(second, 179));
    await vi.waitFor(
      () => expect(dialler.log.filter((line) => line.includes("n1: BGP session established"))).toHaveLength(2),
      patient,
    );
    await isUp(dialler);
    expect((await node.peer("10.0.0.253")).timesEstablished).toBe(1);
    expect(await listener.isEstablished("n1")).toBe(true);
  });

  it("follows the listening place while sessions go on", async () => {
    await node.apply(clusterBgp({ bindMode: "NodeIP", listenPort: 1790 }));
    const listening = async () =>
      (await lab.run("n1", ["ss", "-Hltn", "sport", "=", ":1790"])).stdout.trim().split(/\s+/);
    await vi.waitFor(async () => expect((await listening())[3]).toBe("10.0.0.1:1790"), patient);
    const before = (await node.peers()).map(({ timesEstablished }) => timesEstablished);
    await dialler.configure(dialling(second, 1790));
    await vi.waitFor(async () => {
      const peers = await node.peers();
      expect(peers.map(({ state }) => state)).toEqual(["Established", "Established"]);
      expect(peers.find(({ address }) => address === "10.0.0.254")?.timesEstablished).toBeGreaterThan(before[0] ?? 0);
    }, patient);
    await isUp(dialler);
    expect((await node.peer("10.0.0.253")).timesEstablished).toBe(1);
  });

  it("ends all sessions with the operator's words when the node is drained, until it is undrained", async () => {
    await node.run(["calictl", "node", "drain", "--message", "new disks"]);
    for (const router of [listener, dialler]) {
      await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(false), patient);
      expect(router.log.filter((line) => /Received: .*new disks/.test(line))).toHaveLength(1);
    }
    expect((await node.peers()).map(({ state, reason }) => `${state} ${reason}`)).toEqual(
      ["a", "b"].map(() => 'Idle administratively shut down "new disks"'),
    );
    await node.run(["calictl", "node", "undrain"]);
    await Promise.all([isUp(listener), isUp(dialler)]);
  });

  it("sends only signed packets of class CS6, and TTL 255 where TTL security wants it", async () => {
    const near = await listener.capture.fieldsOf("10.0.0.1", "ip.ttl", "ip.dsfield.dscp", "tcp.option_kind");
    expect(near.length).toBeGreaterThan(0);
    expect(new Set(near.map((line) => line.split("\t").slice(0, 2).join(" ")))).toEqual(new Set(["255 48"]));
    // Option 19 is the signature.
    for (const line of near) expect(line.split("\t")[2]?.split(",")).toContain("19");
    const far = await dialler.capture.fieldsOf("10.0.0.1", "ip.dsfield.dscp");
    expect(far).toEqual(["48"]);
  });

  it("says the password nowhere", async () => {
    const said = [
      node.log,
      await node.run(["calictl", "peers", "-o", "json"]),
      await node.run(["calictl", "node", "status", "-o", "json"]),
      await node.run(["calictl", "get", "bgppeer", "-o", "yaml"]),
    ].join("\n");
    for (const password of [first, second]) expect(said).not.toContain(password);
    expect(said).toContain("10.0.0.254");
  });
});
