import { describe, expect, test } from "vitest";
import { checkInterfaceName, interfacePrefix, podInterfaceName } from "../../../src/endpoint/names.ts";

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

test.each(["", ".", "..", "a/b", "a:b", "a b", "sixteencharacter"])("%j is no interface name", (name) => {
  expect(() => checkInterfaceName("CNI_IFNAME", name)).toThrow(`CNI_IFNAME "${name}"`);
});

test("a name of fifteen characters is an interface name", () => {
  expect(() => checkInterfaceName("CNI_IFNAME", "fifteencharact.")).not.toThrow();
});
