import { describe, expect, it } from "vitest";
import { IgnoredInterfaces } from "../../../../src/agent/routing/ignored-interfaces.ts";
import type { LocRibChange, Path } from "../../../../src/bgp/paths.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { Resource } from "../../../../src/resources/resource.ts";
import { attributesOf, prefixOf } from "../../../support/bgp.ts";

const configuration = (name: string, ignoredInterfaces?: readonly string[]): Resource<"BGPConfiguration"> => ({
  kind: "BGPConfiguration",
  apiVersion: "projectcalico.org/v3",
  metadata: { name },
  spec: { ...(ignoredInterfaces && { ignoredInterfaces }) },
});

describe("ignored interfaces", () => {
  it("are those that the cluster's globs match, or the node's own", () => {
    const ignored = new IgnoredInterfaces();
    const cluster = configuration("default", ["eth1", "bond*", "e*s.1"]);
    expect(ignored.update({ configurations: [cluster] }, "n1")).toBe(true);
    const names = ["eth1", "eth10", "bond", "bond0.7", "ens.1", "ensx1", "eth0"];
    expect(names.filter((name) => ignored.has(name))).toEqual(["eth1", "bond", "bond0.7", "ens.1"]);
    expect(ignored.update({ configurations: [cluster, configuration("node.n2", ["lo*"])] }, "n1")).toBe(false);
    expect(ignored.update({ configurations: [cluster, configuration("node.n2", ["eth0"])] }, "n2")).toBe(true);
    expect(names.filter((name) => ignored.has(name))).toEqual(["eth0"]);
    expect(ignored.update({ configurations: [] }, "n2")).toBe(true);
    expect(names.filter((name) => ignored.has(name))).toEqual([]);
  });

  it("hide paths that the kernel would use, and no others", () => {
    const ignored = new IgnoredInterfaces();
    const path = (nextHop: string): Path => ({
      prefix: prefixOf("10.2.0.0/26"),
      pathId: 0,
      attributes: attributesOf(),
      nextHop: { address: IpAddress.parse(nextHop) },
      source: { kind: "local" },
      stale: false,
    });
    const [byEth1, byEth2, lost] = [path("10.0.1.1"), path("10.0.2.1"), path("10.0.3.1")];
    const interfaceTo = (nextHop: IpAddress) => ({ "10.0.1.1": "eth1", "10.0.2.1": "eth2" })[nextHop.toString()];
    const { prefix } = byEth1;
    const change = { prefix, paths: [], unresolved: [byEth1, byEth2, lost] };
    const shown = (told: LocRibChange) => {
      const table = {
        prefixOf: () => told.prefix,
        isGone: () => false,
        onlyPathOf: () => undefined,
        changeOf: () => told,
      };
      return ignored.hiding(table, interfaceTo).changeOf(0);
    };
    expect(shown(change)).toEqual(change);
    ignored.update({ configurations: [configuration("default", ["eth1"])] }, "n1");
    expect(shown(change)).toEqual({ prefix, paths: [], unresolved: [byEth2, lost] });
    expect(shown({ prefix, paths: [], unresolved: [byEth1] })).toEqual({ prefix, paths: [] });
  });
});
