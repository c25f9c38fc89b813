import { expect, test } from "vitest";
import { vtepMacAddress } from "../../../src/vxlan/mac-address.ts";

test("the MAC address of a node's device is Calico's", () => {
  expect(vtepMacAddress("localhostname")).toBe("66:48:f6:56:dc:f1");
  expect(vtepMacAddress("node1")).toBe("66:f9:37:c3:7e:94");
});

test("the IPv6 device has one of its own, from the name with -v6", () => {
  expect(vtepMacAddress("node1", 6)).toBe(vtepMacAddress("node1-v6"));
  expect(vtepMacAddress("node1", 6)).not.toBe(vtepMacAddress("node1"));
});
