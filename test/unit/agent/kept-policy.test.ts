import { expect, it } from "vitest";
import { ClusterCache } from "../../../src/agent/cluster-cache.ts";
import { keptPolicy } from "../../../src/agent/kept-policy.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { resourcePrefix } from "../../../src/resources/resource-keys.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

it("keeps every kind that the agent follows, so that a start without the datastore lacks none", async () => {
  const { store, dispose } = await temporaryStore();
  const cluster = new ClusterCache({ datastore: store, clock: systemClock, logger: silentLogger });
  const { kinds } = cluster.everything();
  expect(kinds.size).toBeGreaterThan(3);
  for (const kind of kinds) expect(keptPolicy("n1").complete).toContain(resourcePrefix(kind));
  await dispose();
});

it("keeps of pods, blocks and tunnels this node's only", () => {
  const { keeps } = keptPolicy("n1");
  const pod = (node: string) => ({
    key: "/calico/resources/v3/projectcalico.org/workloadendpoints/default/x",
    value: `{"kind":"WorkloadEndpoint","spec":{"node":"${node}"}}`,
  });
  const block = (node: string) => ({
    key: "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26",
    value: `{"cidr":"10.0.0.0/26","affinity":"host:${node}"}`,
  });
  const handle = (node: string) => ({ key: `/calico/ipam/v2/handle/ipip-tunnel-addr-${node}`, value: "{}" });
  for (const of of [pod, block, handle]) {
    expect(keeps(of("n1"))).toBe(true);
    expect(keeps(of("n10"))).toBe(false);
  }
  expect(keeps({ key: "/calico/resources/v3/projectcalico.org/nodes/n10", value: "{}" })).toBe(true);
  expect(keeps({ key: "/calico/ipam/v2/config", value: "{}" })).toBe(false);
});
