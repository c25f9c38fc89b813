import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "../interop/support/agent-node.ts";
import { BirdLab } from "../interop/support/bird-lab.ts";
import { patient } from "../interop/support/patience.ts";
import { clusterBgp } from "../interop/support/resources.ts";

const [first, second] = ["xyzzy-first", "xyzzy-second"] as const;
const names = ["n1", "n2", "n3"] as const;

const pool = (others: object) => ({
  apiVersion: "projectcalico.org/v3",
  kind: "IPPool",
  metadata: { name: "pods" },
  spec: { cidr: "10.244.0.0/16", blockSize: 26, ipipMode: "Never", vxlanMode: "Never", natOutgoing: false, ...others },
});

describe("a mesh of nodes with a password", () => {
  let lab: BirdLab;
  let nodes: AgentNode[];

  beforeAll(async () => {
    const described = names.map(
      (name, index) => [name, { address: `10.0.0.${index + 1}`, pods: [`${name}-a`] }] as const,
    );
    lab = await BirdLab.up({ nodes: Object.fromEntries(described), routers: {} });
    nodes = names.map((name) => lab.node(name));
    await established();
  });
  afterAll(() => lab?.down());

  const sessions = async () => (await Promise.all(nodes.map((node) => node.peers()))).flat();

  /** Resolves when every node has a session with every other one, all with this kind of proof if it is given. */
  async function established(authentication?: string): Promise<void> {
    await vi.waitFor(async () => {
      const found = await sessions();
      expect(found.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => "Established"));
      if (authentication !== undefined)
        expect(new Set(found.map((one) => one.authentication))).toEqual(new Set([authentication]));
    }, patient);
  }

  it("has no sessions while nobody knows the password, and each node says so", async () => {
    const nodeMeshPassword = { secretKeyRef: { name: "bgp", key: "mesh" } };
    await nodes[0]?.apply(clusterBgp({ nodeMeshPassword }));
    await vi.waitFor(async () => expect(await sessions()).toEqual([]), patient);
    for (const node of nodes) {
      const { problems } = JSON.parse(await node.run(["calictl", "node", "status", "-o", "json"])).node;
      expect(problems).toEqual([expect.stringContaining("the node-to-node mesh is not configured: the password of")]);
    }
  });

  it("comes up when the password is there", async () => {
    lab.writeSecret("bgp", "mesh", first);
    await established("tcp-md5");
  });

  it("gets another password without the loss of a session", async () => {
    const before = (await sessions()).map(({ address, timesEstablished }) => [address, timesEstablished]);
    lab.writeSecret("bgp", "mesh", second);
    // A node that starts now can only have the new one: it shows when the others have it, too.
    await nodes[2]?.kill();
    await vi.waitFor(() => expect(nodes[2]?.isRunning).toBe(false), patient);
    await nodes[2]?.start();
    await established("tcp-md5");
    const after = (await sessions()).map(({ address, timesEstablished }) => [address, timesEstablished]);
    const between = (all: unknown[][]) => [all[0], all[2]];
    expect(between(after)).toEqual(between(before));
    // What the first two say to each other still arrives.
    await vi.waitFor(async () => expect(await nodes[0]?.kernelRoutes()).toHaveLength(2), patient);
    await nodes[0]?.apply(pool({ disableBGPExport: true }));
    await vi.waitFor(async () => expect(await nodes[0]?.kernelRoutes()).toEqual([]), patient);
  });

  it("tells it to nobody", async () => {
    const said = await Promise.all(
      nodes.map(async (node) => node.log + (await node.run(["calictl", "peers", "-o", "json"]))),
    );
    for (const password of [first, second]) expect(said.join()).not.toContain(password);
  });
});
