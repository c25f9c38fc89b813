import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../../support/calictl.ts";

let calictl: CalictlFixture;
beforeAll(async () => {
  calictl = await calictlWithStore();
});
afterAll(() => calictl.dispose());

async function convert(object: unknown, ...flags: string[]) {
  const stdin = typeof object === "string" ? object : JSON.stringify(object);
  const { code, out, err } = await calictl.runWith({ stdin }, "convert", "-f", "-", ...flags);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return parse(out);
}
const v1 = (kind: string, metadata: object, spec: object) => ({ apiVersion: "v1", kind, metadata, spec });
const v3 = (kind: string, metadata: object, spec: object) => ({
  apiVersion: "projectcalico.org/v3",
  kind,
  metadata,
  spec,
});

describe("calictl convert", () => {
  it.each([
    [
      v1("ipPool", { cidr: "10.1.0.0/16" }, { ipip: { enabled: true, mode: "cross-subnet" }, "nat-outgoing": true }),
      v3(
        "IPPool",
        { name: "10-1-0-0-16" },
        { cidr: "10.1.0.0/16", ipipMode: "CrossSubnet", natOutgoing: true, nodeSelector: "all()", blockSize: 26 },
      ),
    ],
    [
      v1("ipPool", { cidr: "fd00::/64" }, { disabled: true, ipip: { enabled: false, mode: "always" } }),
      v3(
        "IPPool",
        { name: "fd00---64" },
        { cidr: "fd00::/64", ipipMode: "Never", disabled: true, nodeSelector: "all()", blockSize: 122 },
      ),
    ],
    [
      v1("bgpPeer", { scope: "global", peerIP: "192.0.2.1" }, { asNumber: 64513 }),
      v3("BGPPeer", { name: "192-0-2-1" }, { peerIP: "192.0.2.1", asNumber: 64513 }),
    ],
    [
      v1("bgpPeer", { scope: "node", node: "Rack_1/Host", peerIP: "fd00::1" }, { asNumber: 64513 }),
      v3(
        "BGPPeer",
        { name: "rack-1.host.fd00-0000-0000-0000-0000-0000-0000-0001" },
        { node: "rack-1.host", peerIP: "fd00::1", asNumber: 64513 },
      ),
    ],
    [
      v1(
        "node",
        { name: "Node_A" },
        { bgp: { asNumber: 64512, ipv4Address: "10.0.0.1/24" }, orchRefs: [{ nodeName: "a", orchestrator: "k8s" }] },
      ),
      v3(
        "Node",
        { name: "node-a" },
        { bgp: { asNumber: 64512, ipv4Address: "10.0.0.1/24" }, orchRefs: [{ nodeName: "a", orchestrator: "k8s" }] },
      ),
    ],
    [
      v1(
        "hostEndpoint",
        { name: "eth0", node: "a", labels: { x: "y" } },
        { interfaceName: "eth0", profiles: ["k8s_ns.shop"], ports: [{ name: "http", protocol: "tcp", port: 80 }] },
      ),
      v3(
        "HostEndpoint",
        { name: "a.eth0", labels: { x: "y" } },
        {
          node: "a",
          interfaceName: "eth0",
          profiles: [expect.stringMatching(/^kns\.shop/)],
          ports: [{ name: "http", protocol: "TCP", port: 80 }],
        },
      ),
    ],
    [
      v1(
        "policy",
        { name: "allow.web" },
        {
          order: 10,
          selector: "calico/k8s_ns == 'shop'",
          ingress: [
            {
              action: "allow",
              protocol: "tcp",
              source: { tag: "web", selector: "a == 'b'", net: "10.1.2.3/16" },
              destination: { ports: [80, "8000:8080"] },
            },
          ],
          egress: [{ action: "pass", notProtocol: "udp", destination: { tag: "db" } }],
        },
      ),
      v3(
        "GlobalNetworkPolicy",
        { name: expect.stringMatching(/^allow-web-[0-9a-f]{8}$/) },
        {
          order: 10,
          selector: "projectcalico.org/namespace == 'shop'",
          ingress: [
            {
              action: "Allow",
              protocol: "TCP",
              source: { nets: ["10.1.0.0/16"], selector: "(a == 'b') && web == ''" },
              destination: { ports: [80, "8000:8080"] },
            },
          ],
          egress: [{ action: "Pass", notProtocol: "UDP", destination: { selector: "db == ''" } }],
          types: ["Ingress", "Egress"],
        },
      ),
    ],
    [
      v1("profile", { name: "web", labels: { a: "b" }, tags: ["t"] }, { ingress: [{ action: "deny" }] }),
      v3("Profile", { name: "web" }, { ingress: [{ action: "Deny" }], labelsToApply: { a: "b", t: "" } }),
    ],
  ])("makes of %j what v3 has for it", async (before, after) => {
    expect(await convert(before)).toEqual(after);
  });

  it("reads documents, lists and what is v3 already, and prints JSON if asked", async () => {
    const peer = v1("bgpPeer", { scope: "global", peerIP: "192.0.2.1" }, { asNumber: 1 });
    const text = `${JSON.stringify([peer, { apiVersion: "v1", kind: "List", items: [peer] }])}\n---\n${poolManifest("p", "10.0.0.0/16")}`;
    const { out } = await calictl.runWith({ stdin: text }, "convert", "-f", "-", "-o", "json");
    expect(JSON.parse(out).map(({ kind }: { kind: string }) => kind)).toEqual(["BGPPeer", "BGPPeer", "IPPool"]);
  });

  it("prints what `apply` takes", async () => {
    const stdin = JSON.stringify([
      v1("node", { name: "a" }, { bgp: { ipv4Address: "10.0.0.1/24" } }),
      v1("ipPool", { cidr: "10.1.0.0/16" }, {}),
    ]);
    const { out } = await calictl.runWith({ stdin }, "convert", "-f", "-");
    expect(await calictl.runWith({ stdin: out }, "apply", "-f", "-")).toMatchObject({ code: 0, err: "" });
  });

  it.each([
    [v1("ipPol", {}, {}), 'kind "ipPol" must be one of ipPool, bgpPeer'],
    [v1("ipPool", {}, {}), "metadata.cidr is missing"],
    [v1("bgpPeer", { scope: "x", peerIP: "192.0.2.1" }, {}), 'metadata.scope "x" must be global or node'],
    [v1("bgpPeer", { scope: "node", peerIP: "192.0.2.1" }, {}), "metadata.node is missing"],
    [v1("workloadEndpoint", {}, {}), "is not converted"],
    [v1("profile", { name: "p", tags: ["a"], labels: { a: "b" } }, {}), 'metadata.tags has "a", which is a label, too'],
    [v1("ipPool", { cidr: "10.1.0.1/16" }, {}), "IPPool.spec.cidr = '10.1.0.1/16'"],
    [v1("ipPool", { cidr: "10.1.0.0/16" }, { natt: 1 }), "IPPool.spec.natt = '1' (is not a field here"],
    [{ apiVersion: "v2" }, 'apiVersion "v2" must be v1'],
    [7, "it must be an object"],
  ])("says of %j what keeps it from being converted", async (object, message) => {
    const { code, out, err } = await calictl.runWith({ stdin: JSON.stringify(object) }, "convert", "-f", "-");
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("standard input: document 1: ");
    expect(err).toContain(message);
  });

  it("prints what v3 would refuse with --ignore-validation", async () => {
    const object = v1("ipPool", { cidr: "10.1.0.1/16" }, {});
    expect(await convert(object, "--ignore-validation")).toMatchObject({ spec: { cidr: "10.1.0.1/16" } });
  });
});
