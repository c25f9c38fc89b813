import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { NodeStatusView, PodView } from "../../src/agent/api/views.ts";
import { AgentClient } from "../../src/calictl/agent-client.ts";
import { Lab } from "../../src/lab/lab.ts";
import { patience } from "./support/agent-lab.ts";

/** Two nodes without IPv4. n1 finds its address itself; the kernel checks both for duplicates first, as it does by default. */
const topology = `
topology:
  kinds: { linux: { image: none, network-mode: none } }
  groups:
    node: { binds: ["__clabDir__/datastore:/var/lib/calibird/datastore"] }
  nodes:
    n1:
      kind: linux
      group: node
      cmd: sh -c 'ip addr add 2001:db8::1/64 dev eth1; exec calibird agent --skip-default-pools true --embedded-path /var/lib/calibird/datastore --node-name n1 --ip none --ip6 autodetect --ip6-autodetection-method cidr=2001:db8::/32'
      exec: [ip addr add fd00:77::1/64 dev eth1]
    n2:
      kind: linux
      group: node
      cmd: calibird agent --skip-default-pools true --embedded-path /var/lib/calibird/datastore --node-name n2 --ip none --ip6 2001:db8::2/64
      exec: [ip addr add 2001:db8::2/64 dev eth1]
  links:
    - endpoints: ["n1:eth1", "n2:eth1"]
      mtu: 1500
`;

const nodes = ["n1", "n2"] as const;
type NodeName = (typeof nodes)[number];

let lab: Lab;
let folder: string;

const client = (node: NodeName) =>
  new AgentClient({ runDir: lab.nodes.find(({ name }) => name === node)?.runDirectory ?? "", waitMs: 0 });
const status = (node: NodeName) => client(node).get<NodeStatusView>("/v1/status");
const applyPool = (vxlanMode: string) =>
  client("n1").admin("PUT", "/v1/resources", {
    ...{ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "pods" } },
    spec: { cidr: "fd00:10:244::/112", vxlanMode },
  });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-ipv6-only-"));
  const file = join(folder, "six.clab.yml");
  const name = `x${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  writeFileSync(file, `name: ${name}\n${topology}`);
  lab = await Lab.up({ file, name });
  for (const node of nodes) await vi.waitFor(() => status(node), patience);
  await applyPool("Never");
});
afterAll(async () => {
  await lab?.down();
  rmSync(folder, { recursive: true, force: true });
});

/** Calico's router ID of a node without IPv4. */
function hashedRouterId(name: string): string {
  const [first = 0, ...rest] = createHash("sha256").update(name).digest().subarray(0, 4);
  return [first > 223 ? first - 32 : first, ...rest].join(".");
}

describe("nodes without IPv4", () => {
  it("peer by their IPv6 addresses, with router IDs from their names", async () => {
    for (const node of nodes)
      await vi.waitFor(async () => {
        const { node: view, peers } = await status(node);
        expect(peers).toMatchObject([{ state: "Established", families: ["ipv6-unicast"] }]);
        const ipv6Address = node === "n1" ? "2001:db8::1/64" : "2001:db8::2/64";
        expect(view).toMatchObject({ ipv4Address: null, ipv6Address, routerId: hashedRouterId(node) });
        expect(view.problems).toEqual([]);
      }, patience);
  });

  it("give pods IPv6 addresses alone, which reach each other directly and by VXLAN", async () => {
    const pods = new Map<NodeName, string>();
    for (const node of nodes) {
      const pod = await vi.waitFor(
        () => client(node).admin<PodView>("POST", "/v1/pods", { namespace: "default", name: `${node}-a` }),
        patience,
      );
      expect(pod.addresses).toEqual([expect.stringMatching(/^fd00:10:244::/)]);
      pods.set(node, pod.addresses[0] ?? "");
    }
    const device = async () => {
      const { stdout } = await lab.exec("n1", ["ip", "-6", "route", "get", pods.get("n2") ?? ""]);
      return / dev (\S+) /.exec(stdout)?.[1];
    };
    for (const [mode, expected] of [
      ["Never", "eth1"],
      ["Always", "vxlan-v6.calico"],
    ] as const) {
      await applyPool(mode);
      await vi.waitFor(async () => expect(await device()).toBe(expected), patience);
      const ping = ["ip", "netns", "exec", "n2-a", "ping", "-n", "-c", "1", "-W", "2", pods.get("n1") ?? ""];
      await vi.waitFor(async () => expect(await lab.exec("n2", ping)).toMatchObject({ code: 0 }), patience);
    }
  });

  it("leave nothing of IPv6 behind after a cleanup", async () => {
    await lab.killNode("n1");
    const { code, stdout } = await lab.exec("n1", ["calictl", "node", "cleanup", "--yes", "--pods"]);
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^2 devices\n +cali\w+\n +vxlan-v6\.calico$/m),
    });
    const left = await Promise.all([
      lab.exec("n1", ["ip", "-6", "route", "show", "proto", "202"]),
      lab.exec("n1", ["ip", "-br", "link"]),
    ]);
    expect(left[0].stdout).toBe("");
    expect(left[1].stdout).not.toMatch(/vxlan|cali/);
  });
});
