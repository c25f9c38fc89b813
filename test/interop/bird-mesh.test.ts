import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { calicoNode } from "./support/resources.ts";

const ourLocalPreference = 2147483647 - 1024;

/** As Calico configures its nodes: multihop, and the node with the higher address text dials. */
const config = `
protocol static blocks {
  ipv4;
  route 10.244.200.0/26 blackhole;
  route 10.244.200.64/26 blackhole;
  route 10.244.200.128/26 blackhole;
}
protocol bgp n1 {
  local 10.0.0.254 as 64512;
  neighbor 10.0.0.1 as 64512;
  multihop;
  graceful restart on;
  connect delay time 1;
  ipv4 {
    import all;
    export filter {
      if source != RTS_STATIC then reject;
      if net = 10.244.200.64/26 then bgp_local_pref = ${ourLocalPreference};
      if net = 10.244.200.128/26 then bgp_next_hop = 10.0.0.77;
      accept;
    };
  };
}`;

describe("an iBGP session of the node-to-node mesh that BIRD opens to us", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let router: BirdRouter;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1", pods: ["n1-a"] } },
      routers: { r1: { address: "10.0.0.254", config } },
      resources: [calicoNode("r1", "10.0.0.254")],
    });
    node = lab.node("n1");
    router = lab.router("r1");
    await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(true), patient);
  });
  afterAll(() => lab?.down());

  it("comes up although we never dial", async () => {
    expect(await node.peer("10.0.0.254")).toMatchObject({
      name: "Mesh_10_0_0_254",
      passive: true,
      state: "Established",
      type: "ibgp",
    });
  });

  it("carries our block with Calico's LOCAL_PREF and our own next hop", async () => {
    const routes = await vi.waitFor(async () => {
      const known = await router.routes("n1");
      expect(known).toHaveLength(1);
      return known;
    }, patient);
    expect(routes[0]?.attributes).toEqual({
      Type: "BGP univ",
      "BGP.origin": "IGP",
      "BGP.as_path": "",
      "BGP.next_hop": "10.0.0.1",
      "BGP.local_pref": String(ourLocalPreference),
    });
  });

  it.each([
    ["10.244.200.0/26", "10.0.0.254", 100],
    ["10.244.200.64/26", "10.0.0.254", ourLocalPreference],
    ["10.244.200.128/26", "10.0.0.77", 100],
  ])(
    "puts BIRD's %s via %s into the kernel with our metric, whatever its LOCAL_PREF",
    async (prefix, gateway, preference) => {
      await vi.waitFor(
        async () => expect(await node.kernelRoute(prefix)).toMatchObject({ gateway, dev: "eth1", metric: 1024 }),
        patient,
      );
      expect(await node.route(prefix)).toMatchObject({
        kind: "remote-block",
        nextHop: gateway,
        state: "installed",
        bgp: { asPath: "", localPref: preference, originatorId: null, clusterList: [] },
      });
    },
  );

  it("ends with a Cease when the Node is deleted, and its routes go", async () => {
    await node.run(["calictl", "delete", "node", "r1"]);
    await vi.waitFor(async () => expect(await node.kernelRoutes()).toEqual([]), patient);
    await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(false), patient);
  });

  it("gives neither BIRD nor tshark anything to complain about", async () => {
    // Before its Node is there we reject it.
    expect(router.complaints([/n1: Received: (Connection rejected|Peer de-configured)$/])).toEqual([]);
    const { kinds, complaints } = await router.capture.sentBy(node.address);
    expect(complaints).toEqual([]);
    expect(kinds.get("OPEN")).toBe(1);
    expect(kinds.get("NOTIFICATION 6/3")).toBe(1);
    expect(await router.capture.dialsOf(node.address)).toBe(0);
  });
});
