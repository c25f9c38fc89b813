import { describe, expect, it } from "vitest";
import { compileExportPolicy, type ExportSettings } from "../../../../src/agent/routing/export-policy.ts";
import type { RoutingPool } from "../../../../src/agent/routing/sources.ts";
import { applyPolicy } from "../../../../src/bgp/policy/apply.ts";
import type { PolicyRoute } from "../../../../src/bgp/policy/match.ts";
import { attributesOf, prefixOf } from "../../../support/bgp.ts";

const pool = (name: string, cidr: string, disableBgpExport = false): RoutingPool => ({
  name,
  cidr: prefixOf(cidr),
  ipipMode: "Never",
  vxlanMode: "Never",
  udpMode: "Never",
  disableBgpExport,
});

const services = {
  all: [prefixOf("10.96.0.0/12"), prefixOf("192.0.2.0/24")],
  outside: [prefixOf("192.0.2.0/24")],
  announced: [prefixOf("10.96.0.0/12")],
};

const outcome = (prefix: string, settings: Partial<ExportSettings>, route: Partial<PolicyRoute> = {}) =>
  applyPolicy(
    compileExportPolicy({
      pools: [pool("pods", "10.244.0.0/16"), pool("hidden", "10.245.0.0/16", true)],
      services: { all: [], outside: [], announced: [] },
      advertisements: [],
      isReflector: false,
      ...settings,
    }),
    { prefix: prefixOf(prefix), attributes: attributesOf(), source: "local", peerType: "ibgp", ...route },
  );

describe("the export policy", () => {
  it("lets out what is in a pool, unless the pool is not to be exported", () => {
    expect(outcome("10.244.1.0/26", {}).rule).toBe("pool pods, own route");
    expect(outcome("10.244.1.0/26", {}, { source: "peer" }).rule).toBe("pool pods, passed on");
    expect(outcome("10.245.1.0/26", {})).toEqual({ action: "reject", rule: "pool hidden has disableBGPExport" });
    expect(outcome("172.17.0.0/16", {})).toEqual({ action: "reject", rule: "default" });
  });

  it("adds the communities of prefixAdvertisements, of all that match", () => {
    const advertisements = [
      { cidr: prefixOf("10.244.0.0/16"), communities: ["64512:100", "64512:1:2"] },
      { cidr: prefixOf("10.244.1.0/24"), communities: ["64512:200"] },
      { cidr: prefixOf("10.245.0.0/16"), communities: ["64512:300"] },
    ];
    expect(outcome("10.244.1.0/26", { advertisements })).toMatchObject({
      rule: "pool pods, own route",
      attributes: {
        communities: [64512 * 65536 + 100, 64512 * 65536 + 200],
        largeCommunities: [{ global: 64512, local1: 1, local2: 2 }],
      },
    });
    expect(outcome("10.245.1.0/26", { advertisements }).action).toBe("reject");
  });

  it("lets out the service ranges that this node announces, and reflects others only as a route reflector", () => {
    expect(outcome("10.96.0.0/12", { services }).rule).toBe("services 10.96.0.0/12, own route");
    expect(outcome("10.96.0.0/12", { services }, { source: "peer" }).action).toBe("reject");
    expect(outcome("192.0.2.7/32", { services }, { source: "peer" }).action).toBe("reject");
    expect(outcome("192.0.2.7/32", { services, isReflector: true }, { source: "peer" }).rule).toBe(
      "services 192.0.2.0/24, reflected",
    );
  });
});
