import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../../support/calictl.ts";

let calictl: CalictlFixture;
const peer = (name: string, spec: string) =>
  `apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const manifests = [
  poolManifest("pods-v4", "10.244.0.0/16", "  ipipMode: CrossSubnet\n  natOutgoing: true\n"),
  peer("global", "{peerIP: 172.16.0.9, asNumber: 64530}"),
  peer("tor-rack3", `{peerIP: 172.16.3.1, asNumber: 64520, nodeSelector: "rack == 'r3'"}`),
  "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: worker-0}\nspec: {bgp: {ipv4Address: 192.168.10.11/24}}\n",
].join("---\n");

beforeAll(async () => {
  calictl = await calictlWithStore();
  expect((await calictl.runWith({ stdin: manifests }, "create", "-f", "-")).err).toBe("");
});
afterAll(() => calictl.dispose());

describe("calictl get", () => {
  it.each([
    [["nodes"], ["NAME       ", "worker-0   "]],
    [
      ["nodes", "-o", "wide"],
      ["NAME       ASN       IPV4               IPV6   ", "worker-0   (64512)   192.168.10.11/24          "],
    ],
    [
      ["ippool", "-o", "wide"],
      [
        "NAME      CIDR            NAT    IPIPMODE      VXLANMODE   DISABLED   DISABLEBGPEXPORT   SELECTOR   ASSIGNMENTMODE   ",
        "pods-v4   10.244.0.0/16   true   CrossSubnet   Never       false      false              all()      Automatic        ",
      ],
    ],
    [
      ["bgppeer", "--output=ps"],
      [
        "NAME        PEERIP       NODE           ASN     ",
        "global      172.16.0.9   (global)       64530   ",
        "tor-rack3   172.16.3.1   rack == 'r3'   64520   ",
      ],
    ],
    [["BGPF"], ["NAME   NUMEXPORTV4   NUMIMPORTV4   NUMEXPORTV6   NUMIMPORTV6   "]],
    [["wep", "-A"], ["NAMESPACE   WORKLOAD   NODE   NETWORKS   INTERFACE   "]],
  ])("prints calicoctl's table for %j, with its spaces", async (argv, lines) => {
    expect(await calictl.run("get", ...argv)).toEqual({ code: 0, out: `${lines.join("\n")}\n\n`, err: "" });
  });

  it("prints one object as it is, several as an array, and all of a kind as its list", async () => {
    const json = async (...argv: string[]) => JSON.parse((await calictl.run("get", ...argv, "-o", "json")).out);
    expect(await json("ippool", "pods-v4")).toMatchObject({ kind: "IPPool", metadata: { name: "pods-v4" } });
    expect(await json("bgppeer", "global", "tor-rack3")).toMatchObject([{ kind: "BGPPeer" }, { kind: "BGPPeer" }]);
    expect(await json("ippool")).toMatchObject({
      kind: "IPPoolList",
      metadata: { resourceVersion: expect.stringMatching(/^\d+$/) },
      items: [{ metadata: { resourceVersion: expect.stringMatching(/^\d+$/), uid: expect.any(String) } }],
    });
  });

  it("sorts the keys of YAML at every level", async () => {
    const { out } = await calictl.run("get", "ippool", "pods-v4", "-o", "yaml");
    expect(out).toMatch(/^apiVersion: projectcalico.org\/v3\nkind: IPPool\nmetadata:\n {2}creationTimestamp: /);
    const keys = Object.keys(parse(out).spec);
    expect(keys).toEqual([...keys].sort());
  });

  it("leaves out with --export what belongs to this cluster, of named objects only", async () => {
    const { out } = await calictl.run("get", "ippool", "pods-v4", "-o", "json", "--export");
    expect(JSON.parse(out).metadata).toEqual({ name: "pods-v4" });
    expect((await calictl.run("get", "ippool", "-o", "json", "--export")).out).toContain("uid");
  });

  it("prints the names, for scripts", async () => {
    expect((await calictl.run("get", "bgpp", "-o", "name")).out).toBe("bgppeers/global\nbgppeers/tor-rack3\n");
  });

  it("gets what a manifest names, a table per kind", async () => {
    const { out } = await calictl.runWith({ stdin: manifests }, "get", "-f", "-");
    expect(out).toMatch(
      /^NAME {6}CIDR .*\npods-v4 .*\n\nNAME {8}PEERIP .*\nglobal.*\ntor-rack3.*\n\nNAME .*\nworker-0 .*\n\n$/,
    );
  });

  it("refuses a name that does not exist, in calicoctl's words", async () => {
    expect(await calictl.run("get", "ippool", "x")).toEqual({
      code: 1,
      out: "",
      err: "resource does not exist: IPPool(x) with error: <nil>\n",
    });
    expect((await calictl.run("get", "ippool", "x", "pods-v4")).err).toContain("Failed to get resources: [resource");
  });

  it("reports stored values that are none of the kind, and shows the rest", async () => {
    const key = "/calico/resources/v3/projectcalico.org/bgpfilters/broken";
    await calictl.store.transact({ compares: [], success: [{ type: "put", key, value: "{" }] });
    const { code, err } = await calictl.run("get", "bgpfilter");
    expect(code).toBe(0);
    expect(err).toContain(key);
  });

  it.each([
    [["get"], "missing required argument 'kind'"],
    [["get", "ipool"], 'unknown kind "ipool"; did you mean "ippool"?'],
    [["get", "pools", "-o", "xml"], "-o xml: get prints ps, wide, yaml, json, name"],
    [["apply"], "-f FILE is missing"],
    [["delete", "ippool"], "delete needs a kind and at least one name"],
    [["delete", "ippool", "x", "-f", "y"], "not both"],
  ])("answers %j with status 2 and what would be right", async (argv, message) => {
    const { code, err } = await calictl.run(...argv);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });
});
