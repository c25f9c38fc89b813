import { describe, expect, test } from "vitest";
import { ResourceError } from "../../../src/resources/errors.ts";
import { type AnyResource, decodeResource, encodeResource, validateResource } from "../../../src/resources/resource.ts";
import { parseResourceKey, resourceKey } from "../../../src/resources/resource-keys.ts";

const uid = "6b0f7f3e-2f4b-4c9b-9a86-9f1d6f6a2c11";

/** Keys and values as Calico stores them. */
const stored: readonly (readonly [key: string, value: string])[] = [
  [
    "/calico/resources/v3/projectcalico.org/ippools/pods-v4",
    `{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"pods-v4","uid":"${uid}","creationTimestamp":"2026-01-02T03:04:05Z"},"spec":{"cidr":"10.244.0.0/16","vxlanMode":"Never","ipipMode":"CrossSubnet","natOutgoing":true,"blockSize":26,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"}}`,
  ],
  [
    "/calico/resources/v3/projectcalico.org/bgppeers/tor-rack3",
    `{"kind":"BGPPeer","apiVersion":"projectcalico.org/v3","metadata":{"name":"tor-rack3","uid":"${uid}","creationTimestamp":"2026-01-02T03:10:00Z"},"spec":{"nodeSelector":"rack == 'r3'","peerIP":"172.16.3.1","asNumber":64520,"maxRestartTime":"2m0s","filters":["no-default"]}}`,
  ],
  [
    "/calico/resources/v3/projectcalico.org/bgpfilters/no-default",
    `{"kind":"BGPFilter","apiVersion":"projectcalico.org/v3","metadata":{"name":"no-default","uid":"${uid}","creationTimestamp":"2026-01-02T03:10:00Z"},"spec":{"importV4":[{"cidr":"0.0.0.0/0","matchOperator":"Equal","action":"Reject"}]}}`,
  ],
  [
    "/calico/resources/v3/projectcalico.org/bgpconfigurations/default",
    `{"kind":"BGPConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"default","uid":"${uid}","creationTimestamp":"2026-01-02T03:10:00Z"},"spec":{"logSeverityScreen":"Info","nodeToNodeMeshEnabled":true,"asNumber":64512,"serviceClusterIPs":[{"cidr":"10.96.0.0/12"}],"listenPort":179}}`,
  ],
  [
    "/calico/resources/v3/projectcalico.org/nodes/worker-0",
    `{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"worker-0","uid":"${uid}","creationTimestamp":"2026-01-02T03:04:05Z","labels":{"kubernetes.io/hostname":"worker-0","rack":"r3"},"annotations":{"projectcalico.org/kube-labels":"{\\"kubernetes.io/hostname\\":\\"worker-0\\"}"}},"spec":{"bgp":{"asNumber":64513,"ipv4Address":"192.168.10.11/24","ipv6Address":"fd00:10::11/64","ipv4IPIPTunnelAddr":"10.244.7.64","routeReflectorClusterID":"244.0.0.1"},"ipv4VXLANTunnelAddr":"10.244.7.65","vxlanTunnelMACAddr":"66:8f:aa:01:02:03","orchRefs":[{"nodeName":"worker-0","orchestrator":"k8s"}],"addresses":[{"address":"192.168.10.11/24","type":"CalicoNodeIP"},{"address":"192.168.10.11","type":"InternalIP"}],"interfaces":[{"name":"eth0","addresses":["192.168.10.11/24"]}]},"status":{"podCIDRs":["10.50.1.0/24"]}}`,
  ],
  [
    "/calico/resources/v3/projectcalico.org/workloadendpoints/shop/worker--0-k8s-web--0-eth0",
    `{"kind":"WorkloadEndpoint","apiVersion":"projectcalico.org/v3","metadata":{"name":"worker--0-k8s-web--0-eth0","namespace":"shop","uid":"${uid}","creationTimestamp":"2026-01-02T04:00:00Z","labels":{"app":"web","projectcalico.org/namespace":"shop","projectcalico.org/orchestrator":"k8s","projectcalico.org/serviceaccount":"default"}},"spec":{"orchestrator":"k8s","node":"worker-0","containerID":"9f3b","pod":"web-0","endpoint":"eth0","serviceAccountName":"default","ipNetworks":["10.244.7.66/32"],"profiles":["kns.shop","ksa.shop.default"],"interfaceName":"cali0f1e2d3c4b5","mac":"ee:ee:ee:ee:ee:ee"}}`,
  ],
];

describe("stored resources", () => {
  test.each(stored)("%s is read, checked and written back byte for byte", (key, value) => {
    const resource = decodeResource(key, value, 7n);
    expect(resource.metadata.resourceVersion).toBe("7");
    expect(encodeResource(validateResource(resource))).toBe(value);
    expect(resourceKey(resource.kind, resource.metadata.name, resource.metadata.namespace)).toBe(key);
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
    "/calico/ipam/v2/config",
  ])("ignores %s", (key) => {
    expect(parseResourceKey(key)).toBeUndefined();
  });

  test("undoes the escapes of names in the right order", () => {
    expect(parseResourceKey("/calico/resources/v3/projectcalico.org/nodes/a%2fb%252f")?.name).toBe("a/b%2f");
  });
});
