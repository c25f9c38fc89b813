import { describe, expect, it } from "vitest";
import { modesOf, type PoolModes, predictModeChange } from "../../../../src/agent/pools/mode-change.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";

const node = (name: string, address: string, subnet: string) => ({
  name,
  address: IpAddress.parse(address),
  subnets: [Prefix.parse(subnet)],
});
const nodes = [
  node("n1", "10.10.1.11", "10.10.1.0/24"),
  node("n2", "10.10.1.12", "10.10.1.0/24"),
  node("n3", "10.10.2.13", "10.10.2.0/24"),
];
const blocks = nodes.map(({ name }, index) => ({ block: Prefix.parse(`10.244.${index}.0/26`), owner: name }));
const ipip = (ipipMode: PoolModes["ipipMode"]): PoolModes => modesOf("ipip", ipipMode);
const vxlan = (vxlanMode: PoolModes["vxlanMode"]): PoolModes => modesOf("vxlan", vxlanMode);
const lines = (before: PoolModes, after: PoolModes) =>
  predictModeChange(before, after, nodes, blocks).map(
    (change) => `${change.node} ${change.owner}: ${change.before} -> ${change.after}`,
  );

describe("predictModeChange", () => {
  it("lists every remote block of every node if all of them change", () => {
    expect(lines(ipip("Never"), ipip("Always"))).toHaveLength(6);
    expect(lines(ipip("Never"), ipip("Always"))[0]).toBe("n1 n2: direct to 10.10.1.12 -> ipip to 10.10.1.12 by tunl0");
  });

  it("leaves out what stays as it is: same-subnet routes from Never to CrossSubnet", () => {
    expect(lines(ipip("Never"), ipip("CrossSubnet"))).toEqual([
      "n1 n3: direct to 10.10.2.13 -> ipip to 10.10.2.13 by tunl0",
      "n2 n3: direct to 10.10.2.13 -> ipip to 10.10.2.13 by tunl0",
      "n3 n1: direct to 10.10.1.11 -> ipip to 10.10.1.11 by tunl0",
      "n3 n2: direct to 10.10.1.12 -> ipip to 10.10.1.12 by tunl0",
    ]);
  });

  it("knows all tunnels", () => {
    expect(lines(ipip("Always"), vxlan("CrossSubnet"))[0]).toBe(
      "n1 n2: ipip to 10.10.1.12 by tunl0 -> direct to 10.10.1.12",
    );
    expect(lines(ipip("Always"), vxlan("Always"))[1]).toBe("n1 n3: ipip to 10.10.2.13 by tunl0 -> vxlan to 10.10.2.13");
    expect(lines(vxlan("Always"), modesOf("udp", "Always"))[1]).toBe("n1 n3: vxlan to 10.10.2.13 -> udp to 10.10.2.13");
  });

  it("says nothing of a change that is none, nor of blocks without an owner", () => {
    expect(lines(ipip("Always"), ipip("Always"))).toEqual([]);
    const orphan = [{ block: Prefix.parse("10.244.9.0/26"), owner: "gone" }];
    expect(predictModeChange(ipip("Never"), ipip("Always"), nodes, orphan)).toEqual([]);
  });
});
