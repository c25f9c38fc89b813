import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AgentLab, agentNodes, patience } from "./support/agent-lab.ts";
import { kernelRoutes } from "./support/kernel-routes.ts";
import { PingStream } from "./support/ping-stream.ts";

let agents: AgentLab;

beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26 });
});
afterAll(() => agents?.down());

/** The objects themselves: the revision of the list grows with every write of anybody. */
async function storedObjects(kind: string): Promise<unknown> {
  return JSON.parse(await agents.succeed("n1", "calictl", "get", kind, "-o", "json")).items;
}

async function apply(manifest: string): Promise<void> {
  expect(await agents.apply("n1", manifest)).toMatchObject({ code: 0, stderr: "" });
}

const pool = (fields: string) => `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: { name: pods }
spec: { cidr: 10.244.0.0/16, blockSize: 26, ipipMode: Never, vxlanMode: Never, natOutgoing: false${fields} }
`;

const bgpConfiguration = (fields: string) => `
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: { name: default }
spec: { asNumber: 64512${fields} }
`;

const routerPeer = `
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: r1 }
spec: { peerIP: 10.0.0.254, asNumber: 64513 }
`;

/** What every node's kernel has learned from others, by kind. */
async function learned(kind: "remote-block" | "external"): Promise<string[]> {
  const perNode = await Promise.all(
    agentNodes.map(async (node) => {
      const prefixes = new Set((await kernelRoutes(agents, node)).map(({ prefix }) => prefix));
      const routes = (await agents.routes(node)).filter((route) => route.kind === kind && prefixes.has(route.prefix));
      return routes.map(({ prefix }) => `${node} ${prefix}`);
    }),
  );
  return perNode.flat();
}

/** Names of the peers that each node has. */
async function peerNames(): Promise<string[][]> {
  return Promise.all(agentNodes.map(async (node) => (await agents.peers(node)).map(({ name }) => name).sort()));
}

/** The cluster's blocks that the router's kernel knows. */
async function routerBlocks(): Promise<string[]> {
  const stdout = await agents.succeed("r1", "ip", "-json", "route", "show", "proto", "bird");
  return (JSON.parse(stdout) as { dst: string }[])
    .map(({ dst }) => dst)
    .filter((prefix) => prefix.startsWith("10.244."));
}

describe("a pool that is edited while the cluster runs", () => {
  it("takes its blocks back from everybody with disableBGPExport, and offers them again without", async () => {
    expect(await learned("remote-block")).toHaveLength(6);
    expect(await routerBlocks()).toHaveLength(3);
    await apply(pool(", disableBGPExport: true"));
    await vi.waitFor(async () => expect(await learned("remote-block")).toEqual([]), patience);
    await vi.waitFor(async () => expect(await routerBlocks()).toEqual([]), patience);
    expect(await learned("external")).toHaveLength(3);
    expect((await agents.routes("n1")).filter(({ kind }) => kind === "workload")).toHaveLength(2);
    await apply(pool(""));
    await agents.settled();
    await vi.waitFor(async () => expect(await routerBlocks()).toHaveLength(3), patience);
    expect(await agents.unreachable()).toEqual([]);
  });
});

describe("the mesh", () => {
  it("goes with its sessions and routes when it is switched off, and comes back when it is switched on", async () => {
    const before = await peerNames();
    await apply(bgpConfiguration(", nodeToNodeMeshEnabled: false"));
    const router = ["Global_10_0_0_254"];
    await vi.waitFor(async () => expect(await peerNames()).toEqual([router, router, router]), patience);
    await vi.waitFor(async () => expect(await learned("remote-block")).toEqual([]), patience);
    expect(await learned("external")).toHaveLength(3);
    await apply(bgpConfiguration(", nodeToNodeMeshEnabled: true"));
    await agents.settled();
    expect(await peerNames()).toEqual(before);
    expect(await learned("remote-block")).toHaveLength(6);
  });
});

describe("a BGPPeer", () => {
  it("goes with its sessions and routes when it is deleted, without harm to others, and comes back", async () => {
    const ping = await PingStream.start(
      agents,
      { node: "n1", pod: "n1-a" },
      await agents.addressOf("n2", "n2-a"),
      0.02,
    );
    await agents.succeed("n2", "calictl", "delete", "bgppeer", "r1");
    await vi.waitFor(async () => expect((await peerNames()).flat()).not.toContain("Global_10_0_0_254"), patience);
    await vi.waitFor(async () => expect(await learned("external")).toEqual([]), patience);
    await vi.waitFor(async () => expect(await routerBlocks()).toEqual([]), patience);
    expect(await learned("remote-block")).toHaveLength(6);
    await apply(routerPeer);
    await agents.settled();
    expect(await learned("external")).toHaveLength(3);
    expect(await ping.stop()).toMatchObject({ lost: [], errors: [] });
    expect(await agents.unreachable()).toEqual([]);
  });
});

describe("a manifest that is wrong", () => {
  const cases = [
    {
      what: "an unknown field",
      manifest: pool(", blokSize: 26"),
      says: [`document 1, line 5`, `IPPool.spec.blokSize = '26'`, `did you mean "blockSize"?`],
    },
    {
      what: "a wrong value",
      manifest: pool(", nodeSelector: all("),
      says: ["document 1, line 5", "IPPool.spec.nodeSelector = 'all('"],
    },
    {
      what: "a second document that is bad",
      manifest: `${bgpConfiguration(", nodeToNodeMeshEnabled: false")}---${routerPeer.replace("10.0.0.254", "10.0.0.999")}`,
      says: ["document 2, line 10", "BGPPeer.spec.peerIP = '10.0.0.999'", "must be an IP address"],
    },
    {
      what: "a second document that is no YAML",
      manifest: `${bgpConfiguration(", nodeToNodeMeshEnabled: false")}---\nkind: [\n`,
      says: ["line 8"],
    },
    {
      what: "a kind that nobody knows",
      manifest: `${bgpConfiguration(", nodeToNodeMeshEnabled: false")}---\n${routerPeer.replace("BGPPeer", "BGPPear")}`,
      says: ["document 2", "BGPPear"],
    },
  ];

  it.each(cases)("because of $what changes nothing, and says file, place, value and what is right", async (given) => {
    const stored = async () => [await storedObjects("bgpconfig"), await storedObjects("ippool")];
    const before = await stored();
    const { code, stdout, stderr } = await agents.apply("n1", given.manifest);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("nothing was changed");
    for (const part of ["standard input", ...given.says]) expect(stderr).toContain(part);
    expect(await stored()).toEqual(before);
  });
});

describe("a command line that is wrong", () => {
  it.each([
    "calictl routes --bogus",
    "calictl rotues",
    "calictl routes -o xml",
    "calictl routes 10.0.0.300",
    "calictl routes explain",
    "calictl routes explain 10.0.0.300",
    "calictl get nokind",
    "calictl apply",
    "calictl delete ippool",
    "calictl --wait soon routes",
    "calibird pod add Not/A/Pod",
    "calibird agent extra",
    "calibird agent --bogus",
  ])("ends with status 2 and a word on what is right: %s", async (line) => {
    const { code, stdout, stderr } = await agents.run("n1", ...line.split(" "));
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/unknown|required|must be|neither|prints|needs|known are|too many|is no pod|missing/);
  });
});

describe("an agent that cannot serve this node", () => {
  const agent = (...flags: string[]) =>
    agents.run("n1", "timeout", "20", "calibird", "agent", "--embedded-path", "/var/lib/calibird/datastore", ...flags);
  const elsewhere = ["--run-dir", "/run/calibird/other", "--state-dir", "/run/calibird/other"];

  it("because another node has its address says which one, and leaves no trace", async () => {
    const before = await storedObjects("node");
    const { code, stdout } = await agent("--node-name", "n9", "--ip", "10.0.0.2/24", ...elsewhere);
    expect(code).toBe(1);
    expect(stdout).toContain("DUPLICATE_NODE_ADDRESS");
    expect(stdout).toContain("node n2 has the address 10.0.0.2 already; give node n9 its own with --ip");
    expect(await storedObjects("node")).toEqual(before);
  });

  it("because another machine runs an agent of its name says so, and leaves the other's Node alone", async () => {
    const before = await storedObjects("node");
    const argv = ["timeout", "60", "calibird", "agent", "--embedded-path", "/var/lib/calibird/datastore"];
    const { code, stdout } = await agents.run("n1", ...argv, "--node-name", "n2", "--ip", "10.0.0.2/24", ...elsewhere);
    expect(stdout).toContain("NODE_NAME_IN_USE");
    expect(stdout).toContain("another machine runs an agent as node n2");
    expect(code).toBe(1);
    expect(await storedObjects("node")).toEqual(before);
  });

  it("because another agent serves its run directory says so, and leaves the other alone", async () => {
    const before = { status: await agents.status("n1"), routes: await kernelRoutes(agents, "n1") };
    const { code, stdout } = await agent("--node-name", "n8", "--ip", "10.0.0.8/24");
    expect(code).toBe(1);
    expect(stdout).toContain("AGENT_ALREADY_RUNNING");
    expect(stdout).toContain(
      "another agent serves /run/calibird/status.sock; stop it first or give this one its own --run-dir",
    );
    const after = await agents.status("n1");
    expect(after.peers.map(({ timesEstablished }) => timesEstablished)).toEqual(
      before.status.peers.map(({ timesEstablished }) => timesEstablished),
    );
    expect(await kernelRoutes(agents, "n1")).toEqual(before.routes);
    expect(await agents.succeed("n1", "cat", "/var/lib/calibird/nodename")).toContain("n1");
    await agents.settled();
  });

  it.each([
    ["--ip", "10.0.0.999", "an IPv4 address such as 10.0.0.1/24"],
    ["--as", "23456", "an AS number from 1 to 4294967295"],
    ["--listen-port", "0", "a TCP port from 1 to 65535"],
    ["--datastore", "floppy", "must be etcd or embedded"],
    ["--log-level", "loud", "one of trace, debug"],
    ["--run-dir", "run", "an absolute path"],
    ["--node-name", "No Node", "lower-case"],
  ])("because of %s %s ends with status 2 and says what would be right", async (flag, value, right) => {
    const { code, stdout, stderr } = await agent(...elsewhere, flag, value);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`calibird: flag ${flag}: "${value}"`);
    expect(stderr).toContain(right);
  });

  it("because of a configuration file names the file and the setting", async () => {
    const config = "/run/calibird/bad.yaml";
    await agents.succeed("n1", "sh", "-c", `echo 'listenPrt: 179' > ${config}`);
    const { code, stderr } = await agent("--config", config, ...elsewhere);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `calibird: ${config}: there is no setting "listenPrt"; did you mean "listenPort"?\n`,
    });
  });
});
