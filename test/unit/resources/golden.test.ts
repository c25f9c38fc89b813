import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ResourceError } from "../../../src/resources/errors.ts";
import { kinds, resourceKinds } from "../../../src/resources/kinds.ts";
import { type AnyResource, decodeResource, encodeResource, validateResource } from "../../../src/resources/resource.ts";
import { parseResourceKey, resourceKey } from "../../../src/resources/resource-keys.ts";

/** Keys and values as Calico stores them. */
const stored = readFileSync(new URL("../../vectors/stored-resources.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .flatMap((line, index, lines) => (index % 2 === 0 ? [[line, lines[index + 1] ?? ""] as const] : []));

describe("stored resources", () => {
  test.each(stored)("%s is read, checked and written back byte for byte", (key, value) => {
    const resource = decodeResource(key, value, 7n);
    expect(resource.metadata.resourceVersion).toBe("7");
    expect(encodeResource(validateResource(resource))).toBe(value);
    expect(resourceKey(resource.kind, resource.metadata.name, resource.metadata.namespace)).toBe(key);
  });

  test("there is a value of every kind that can be written", () => {
    const seen = new Set(stored.map(([key]) => parseResourceKey(key)?.kind));
    const writable = resourceKinds.filter(
      (kind) => kinds[kind].storedForm === undefined || kinds[kind].storedForm?.write,
    );
    expect(writable.filter((kind) => !seen.has(kind))).toEqual([]);
  });

  test("a text is escaped as Go does and a new pool carries the defaults that Calico stores", () => {
    const pool: AnyResource = {
      kind: "IPPool",
      apiVersion: "projectcalico.org/v3",
      metadata: { name: "a", annotations: { note: "<\u2028>" } },
      spec: { nodeSelector: "a == 'x' && has(b)", cidr: "fd00:0::/48", natOutgoing: false, disabled: false },
    };
    expect(encodeResource(validateResource(pool))).toBe(
      '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","annotations":{"note":"\\u003c\\u2028\\u003e"}},"spec":{"cidr":"fd00::/48","vxlanMode":"Never","ipipMode":"Never","blockSize":122,"nodeSelector":"a == \'x\' \\u0026\\u0026 has(b)","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"}}',
    );
  });

  test("an empty Node is stored with its spec and status", () => {
    const node: AnyResource = { kind: "Node", apiVersion: "projectcalico.org/v3", metadata: { name: "n" }, spec: {} };
    expect(encodeResource(validateResource(node))).toBe(
      '{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"n"},"spec":{},"status":{}}',
    );
  });

  test("ports of an endpoint are stored whole, as Calico's fields without omitempty are", () => {
    const key = resourceKey("WorkloadEndpoint", "n-k8s-p-eth0", "default");
    const text =
      '{"kind":"WorkloadEndpoint","apiVersion":"projectcalico.org/v3","metadata":{"name":"n-k8s-p-eth0","namespace":"default"},"spec":{"ports":[{"protocol":"TCP","port":80}]}}';
    expect(encodeResource(decodeResource(key, text, 1n))).toContain(
      '"ports":[{"name":"","protocol":"TCP","port":80,"hostPort":0,"hostIP":""}]',
    );
  });

  test("fields of newer software survive reading and writing, whatever they are called", () => {
    const key = resourceKey("IPPool", "a");
    const text =
      '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","newer":[1]},"spec":{"cidr":"10.0.0.0/8","newer":{"x":null},"__proto__":{"cidr":"evil"}},"newest":1}';
    const again = JSON.parse(encodeResource(decodeResource(key, text, 1n)));
    expect(JSON.parse(text)).toEqual(again);
    expect(Object.hasOwn(again.spec, "__proto__")).toBe(true);
  });

  test("numbers that no double holds survive in fields of newer software, and so do texts that look like their mark", () => {
    const texts = [
      '"newer":1767323045678901234,"more":[-9223372036854775808,{"a":12345678901234567890}]',
      '"text":"\\u00001767323045678901234","nul":"\\u0000","both":"\\u0000\\u0000","quoted":"a\\"\\u0000b"',
      '"small":1000000000000000,"float":0.1,"large":1e+30,"nothing":null,"empty":{},"none":[]',
    ];
    for (const more of texts) {
      const key = resourceKey("IPPool", "a");
      const text = `{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"cidr":"10.0.0.0/8",${more}},${more}}`;
      expect(encodeResource(decodeResource(key, text, 1n))).toBe(text);
    }
  });

  test("a known number of 16 digits and more is a number", () => {
    const key = resourceKey("WorkloadEndpoint", "n-k8s-p-eth0", "default");
    const text =
      '{"kind":"WorkloadEndpoint","apiVersion":"projectcalico.org/v3","metadata":{"name":"n-k8s-p-eth0","namespace":"default"},"spec":{"qosControls":{"ingressBandwidth":1000000000000000}}}';
    const endpoint = decodeResource(key, text, 1n);
    expect(endpoint.spec).toEqual({ qosControls: { ingressBandwidth: 1e15 } });
    expect(encodeResource(endpoint)).toBe(text);
    const wrong = text.replace("1000000000000000", "12345678901234567890");
    expect(() => decodeResource(key, wrong, 1n)).toThrow("ingressBandwidth");
  });

  test("what older software has stored is read with null, empty and textual values", () => {
    const pool = decodeResource(
      resourceKey("IPPool", "a"),
      '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","creationTimestamp":null},"spec":{"cidr":"10.0.0.0/8","ipipMode":"","blockSize":0,"allowedUses":null,"nodeSelector":""}}',
      1n,
    );
    expect(pool.spec).toEqual({ cidr: "10.0.0.0/8" });
    const peer = decodeResource(
      resourceKey("BGPPeer", "a"),
      '{"kind":"BGPPeer","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"asNumber":"1.10","maxRestartTime":"120s"}}',
      1n,
    );
    expect(peer.spec).toEqual({ asNumber: 65546, maxRestartTime: "2m0s" });
  });

  test.each([
    ["{", "not JSON"],
    ["[]", "must be an object"],
    ['{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"}}', "says that it is Node(a)"],
    [
      '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"b"},"spec":{"cidr":"10.0.0.0/8"}}',
      "IPPool(b)",
    ],
    [
      '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"cidr":7}}',
      "IPPool.spec.cidr = '7'",
    ],
    [
      '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"}}',
      "IPPool.spec.cidr = '' (is required)",
    ],
  ])("the value %s is refused with its key and the reason", (value, message) => {
    const key = resourceKey("IPPool", "a");
    const read = () => decodeResource(key, value, 1n);
    expect(read).toThrow(ResourceError);
    expect(read).toThrow(key);
    expect(read).toThrow(message);
  });
});

describe("parseResourceKey", () => {
  test.each([
    "calico/resources/v3/projectcalico.org/ippools/a",
    "/calico/resources/v3/projectcalico.org/ippools/a/b",
    "/calico/resources/v3/projectcalico.org/ippools/",
    "/calico/resources/v3/projectcalico.org/workloadendpoints/a",
    "/calico/resources/v3/projectcalico.org/others/a",
    "/calico/resources/v3/projectcalico.org/ipamconfigurations/default",
    "/calico/ipam/v2/handle/default",
    "/calico/ipam/v2/host/worker-0",
    "/calico/ipam/v2/host/worker-0/ipv6/block/10.0.0.0-26",
  ])("ignores %s", (key) => {
    expect(parseResourceKey(key)).toBeUndefined();
  });

  test("undoes the escapes of names in the right order", () => {
    expect(parseResourceKey("/calico/resources/v3/projectcalico.org/nodes/a%2fb%252f")?.name).toBe("a/b%2f");
  });
});
