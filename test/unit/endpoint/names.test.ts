import { describe, expect, test } from "vitest";
import {
  checkInterfaceName,
  containerInterfaceName,
  interfacePrefix,
  podInterfaceName,
  workloadEndpointName,
} from "../../../src/endpoint/names.ts";

describe("host interface names", () => {
  test.each([
    ["default", "nginx", "calic440f455693"],
    ["default", "pod-0", "calic220f2ba281"],
    ["kube-system", "coredns-5d78c9869d-abcde", "cali4d5f75c480c"],
  ])("of pod %s/%s is the one that a Calico node gives it", (namespace, pod, name) => {
    expect(podInterfaceName(namespace, pod)).toBe(name);
  });

  test("take another prefix", () => {
    expect(podInterfaceName("default", "nginx", "tap")).toBe("tapc440f455693");
  });

  test("of a bare container are cali and the start of its ID, however short", () => {
    expect(containerInterfaceName("0123456789abcdef")).toBe("cali0123456789a");
    expect(containerInterfaceName("abc")).toBe("caliabc");
  });
});

describe("the interface prefix", () => {
  test.each([
    [undefined, "cali"],
    ["", "cali"],
    ["tap", "tap"],
    ["eni, cali", "eni"],
  ])("from %j is %s", (setting, prefix) => {
    expect(interfacePrefix(setting)).toBe(prefix);
  });

  test.each(["toolong", "a/b", "a b"])("%j is refused with its name and value", (setting) => {
    expect(() => interfacePrefix(setting)).toThrow(`FELIX_INTERFACEPREFIX "${setting}"`);
  });
});

describe("workload endpoint names", () => {
  test("double the dashes inside each part", () => {
    expect(workloadEndpointName({ orchestrator: "k8s", node: "ip-10-0-1-17", pod: "web-0", endpoint: "eth0" })).toBe(
      "ip--10--0--1--17-k8s-web--0-eth0",
    );
  });

  test("of a bare container carry its ID", () => {
    expect(workloadEndpointName({ orchestrator: "cni", node: "worker-0", containerId: "9f3b", endpoint: "eth0" })).toBe(
      "worker--0-cni-9f3b-eth0",
    );
  });

  test.each(["", "-a", "a-"])("cannot be made of a part %j", (pod) => {
    expect(() => workloadEndpointName({ orchestrator: "k8s", node: "n", pod, endpoint: "eth0" })).toThrow(
      `workload "${pod}"`,
    );
  });
});

test.each(["", ".", "..", "a/b", "a:b", "a b", "sixteencharacter"])("%j is no interface name", (name) => {
  expect(() => checkInterfaceName("CNI_IFNAME", name)).toThrow(`CNI_IFNAME "${name}"`);
});

test("a name of fifteen characters is an interface name", () => {
  expect(() => checkInterfaceName("CNI_IFNAME", "fifteencharact.")).not.toThrow();
});
