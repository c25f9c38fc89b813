import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { NodeStatusView, PodView } from "../../src/agent/api/views.ts";
import { AgentClient } from "../../src/calictl/agent-client.ts";
import { Lab } from "../../src/lab/lab.ts";
import { DeviceControl } from "../../src/netlink/device-control.ts";
import { patience } from "./support/agent-lab.ts";
import { WireCapture } from "./support/wire-capture.ts";

/**
 * A node of ours in flannel's set-up, one that is made by hand as flannel makes its own, and the wire between them. What the
 * one by hand has of subnet leases, ours is told by BIRD on it.
 */
const topology = `
topology:
  kinds: { linux: { image: none, network-mode: none } }
  nodes:
    ours:
      kind: linux
      cmd: calibird agent --skip-default-pools true --embedded-path /var/lib/calibird/datastore --node-name ours --ip 10.0.0.1/24 --vxlan-device flannel.1 --vxlan-vni 1 --vxlan-port 8472 --vxlan-checksum-offload off
      binds: ["__clabDir__/datastore:/var/lib/calibird/datastore"]
      exec: [ip addr add 10.0.0.1/24 dev eth1]
    flannel:
      kind: linux
      sysctls: { net.ipv4.ip_forward: 1 }
      binds: ["bird.conf:/run/router/bird.conf:ro"]
      cmd: bird -f -c /run/router/bird.conf -s /run/bird.ctl -P /run/bird.pid
      exec: [ip addr add 10.0.0.2/24 dev eth1]
  links:
    - endpoints: ["ours:eth1", "flannel:eth1"]
      mtu: 1500
`;

const birdConfiguration = `
router id 10.0.0.2;
protocol device {}
protocol static {
  ipv4;
  route 10.244.2.0/24 blackhole;
}
protocol bgp ours {
  local 10.0.0.2 as 64512;
  neighbor 10.0.0.1 as 64512;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import none; export all; next hop self; };
}
`;

/** What flannel has of its node: a subnet, whose first address the device has, and the device's MAC address. */
const flannel = { subnet: "10.244.2.0/24", vtep: "10.244.2.0", pod: "10.244.2.2", macAddress: "82:5d:11:22:33:44" };

let lab: Lab;
let folder: string;
let podAddress: string;

const succeed = async (node: "ours" | "flannel", line: string): Promise<string> => {
  const result = await lab.exec(node, line.split(" "));
  expect(result, line).toMatchObject({ code: 0 });
  return result.stdout;
};
const client = () =>
  new AgentClient({ runDir: lab.nodes.find(({ name }) => name === "ours")?.runDirectory ?? "", waitMs: 0 });
const apply = (kind: string, name: string, spec: object) =>
  client().admin("PUT", "/v1/resources", { apiVersion: "projectcalico.org/v3", kind, metadata: { name }, spec });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-flannel-"));
  const file = join(folder, "flannel.clab.yml");
  const name = `f${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  writeFileSync(join(folder, "bird.conf"), birdConfiguration);
  writeFileSync(file, `name: ${name}\n${topology}`);
  lab = await Lab.up({ file, name });
  await vi.waitFor(() => client().get<NodeStatusView>("/v1/status"), patience);
  await apply("IPPool", "flannel", { cidr: "10.244.0.0/16", blockSize: 24, vxlanMode: "Always" });
  const pod = await vi.waitFor(
    () => client().admin<PodView>("POST", "/v1/pods", { namespace: "default", name: "pod" }),
    patience,
  );
  podAddress = pod.addresses[0] ?? "";
});
afterAll(async () => {
  await lab?.down();
  rmSync(folder, { recursive: true, force: true });
});

/** The part of our node's resource that flannel publishes of its own, and the route that a subnet lease stands for. */
async function ourLease() {
  const spec = await vi.waitFor(async () => {
    const stored = await client().admin<{ spec: Record<string, string> }>("GET", "/v1/resources/node/ours");
    expect(stored.spec.ipv4VXLANTunnelAddr).toBeDefined();
    return stored.spec;
  }, patience);
  const [block = ""] = (await client().get<NodeStatusView>("/v1/status")).node.blocks.map((view) => view.block);
  return { vtep: spec.ipv4VXLANTunnelAddr ?? "", macAddress: spec.vxlanTunnelMACAddr ?? "", block };
}

it("exchanges packets with a node that flannel's vxlan backend might have made, both ways", async () => {
  const { vtep, macAddress, block } = await ourLease();
  expect(await succeed("ours", "ip -d link show flannel.1")).toMatch(
    /vxlan id 1 local 10\.0\.0\.1 .* dstport 8472 nolearning/,
  );
  // As flannel does it, in its order: the device with the subnet's first address, then neighbour, forwarding entry, route.
  for (const line of [
    `ip link add flannel.1 address ${flannel.macAddress} type vxlan id 1 dstport 8472 local 10.0.0.2 dev eth1 nolearning`,
    `ip addr add ${flannel.vtep}/32 dev flannel.1`,
    "ip link set flannel.1 up",
    `ip neigh add ${vtep} lladdr ${macAddress} dev flannel.1 nud permanent`,
    `bridge fdb append ${macAddress} dev flannel.1 dst 10.0.0.1`,
    `ip route add ${block} via ${vtep} dev flannel.1 onlink`,
    // A pod of the bridge cni0.
    "ip netns add pod",
    "ip link add cni0 type bridge",
    "ip link add veth0 type veth peer name eth0 netns pod",
    "ip link set veth0 master cni0",
    "ip link set veth0 up",
    "ip addr add 10.244.2.1/24 dev cni0",
    "ip link set cni0 up",
    `ip -n pod addr add ${flannel.pod}/24 dev eth0`,
    "ip -n pod link set eth0 up",
    "ip -n pod route add default via 10.244.2.1",
  ])
    await succeed("flannel", line);
  // Ours hears of it from the datastore and by BGP, as of any other node.
  await apply("Node", "flannel", {
    bgp: { ipv4Address: "10.0.0.2/24" },
    ipv4VXLANTunnelAddr: flannel.vtep,
    vxlanTunnelMACAddr: flannel.macAddress,
  });
  await vi.waitFor(async () => {
    expect(await succeed("ours", "ip neigh show dev flannel.1")).toContain(
      `${flannel.vtep} lladdr ${flannel.macAddress}`,
    );
    expect(await succeed("ours", "bridge fdb show dev flannel.1")).toContain(`${flannel.macAddress} dst 10.0.0.2`);
    expect(await succeed("ours", `ip route show ${flannel.subnet}`)).toContain(
      `via ${flannel.vtep} dev flannel.1 proto 202 metric 1024 onlink mtu 1450`,
    );
  }, patience);

  const capture = await WireCapture.start(
    lab.nodes.find(({ name }) => name === "flannel")?.networkNamespace ?? "",
    "eth1",
    "udp port 8472",
  );
  await succeed("ours", `ip netns exec pod ping -n -c 3 -i 0.05 -W 2 ${flannel.pod}`);
  await succeed("flannel", `ip netns exec pod ping -n -c 3 -i 0.05 -W 2 ${podAddress}`);
  await succeed("flannel", `ip netns exec pod ping -n -c 1 -W 2 -M do -s ${1450 - 28} ${podAddress}`);
  const echoes = (await capture.stop()).filter(({ text }) => text.startsWith("ICMP echo"));
  expect(echoes).toHaveLength(14);
  for (const { outer, source } of echoes) {
    const [from, to] = source === podAddress ? ["10.0.0.1", "10.0.0.2"] : ["10.0.0.2", "10.0.0.1"];
    expect(outer).toEqual({ source: from, destination: to, port: 8472, vni: 1 });
  }
});

it("reaches such a node directly where flannel would with host-gw or DirectRouting", async () => {
  const route = async () => await succeed("ours", `ip route show ${flannel.subnet}`);
  for (const vxlanMode of ["CrossSubnet", "Never"]) {
    await apply("IPPool", "flannel", { cidr: "10.244.0.0/16", blockSize: 24, vxlanMode });
    await vi.waitFor(async () => expect(await route()).toContain("via 10.0.0.2 dev eth1 proto 202"), patience);
    await apply("IPPool", "flannel", { cidr: "10.244.0.0/16", blockSize: 24, vxlanMode: "Always" });
    await vi.waitFor(async () => expect(await route()).toContain("dev flannel.1"), patience);
  }
});

it("has its checksums computed by the kernel if it is told so, also after somebody has switched that off", async () => {
  const { networkNamespace = "" } = lab.nodes.find(({ name }) => name === "ours") ?? {};
  const control = new DeviceControl({ namespace: { path: `/run/netns/${networkNamespace}` } });
  const soon = { timeout: 30_000, interval: 50 };
  await expect.poll(() => control.checksumOffload("flannel.1"), soon).toBe(false);
  control.setChecksumOffload("flannel.1", true);
  // Nobody tells of such a change; any event of the device has it looked at again.
  await succeed("ours", "ip link set flannel.1 down");
  await expect.poll(() => control.checksumOffload("flannel.1"), soon).toBe(false);
});
