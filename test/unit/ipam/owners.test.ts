import { expect, it } from "vitest";
import { legacyPodHandle, podOwner, tunnelOwner } from "../../../src/ipam/owners.ts";

const pod = { network: "k8s-pod-network", containerId: "9f3b0c", namespace: "shop", pod: "web-0", node: "worker-0" };

it("marks a pod's addresses as Calico does", () => {
  const owner = podOwner(pod, Date.parse("2026-01-02T04:00:00.120Z"));
  expect(owner.handleId).toBe("k8s-pod-network.9f3b0c");
  expect(owner.attributes).toEqual({
    namespace: "shop",
    node: "worker-0",
    pod: "web-0",
    timestamp: "2026-01-02 04:00:00.12 +0000 UTC",
  });
  expect(legacyPodHandle(pod)).toBe("shop.web-0");
});

it("prints whole seconds without a fraction, and keeps their zeros", () => {
  const timestamp = (time: string) => podOwner(pod, Date.parse(time)).attributes.timestamp;
  expect(timestamp("2026-01-02T04:00:00.000Z")).toBe("2026-01-02 04:00:00 +0000 UTC");
  expect(timestamp("2026-01-02T04:10:30.500Z")).toBe("2026-01-02 04:10:30.5 +0000 UTC");
});

it("marks a node's tunnel addresses as Calico does", () => {
  expect(tunnelOwner("ipip", "worker-0")).toEqual({
    handleId: "ipip-tunnel-addr-worker-0",
    attributes: { node: "worker-0", type: "ipipTunnelAddress" },
  });
  expect(tunnelOwner("wireguard-v6", "w").attributes.type).toBe("wireguardV6TunnelAddress");
});
