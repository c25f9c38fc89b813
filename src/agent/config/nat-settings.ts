import type { NatOptions, PortRange } from "../../nat/ruleset.ts";
import { IpAddress } from "../../net/address.ts";

const exclusions = ["IPPoolsOnly", "IPPoolsAndHostIPs"] as const satisfies NatOptions["natOutgoingExclusions"][];

export function parseExclusions(text: string): NatOptions["natOutgoingExclusions"] {
  const value = exclusions.find((name) => name.toLowerCase() === text.toLowerCase());
  if (value === undefined) throw new Error(`must be ${exclusions.join(" or ")}`);
  return value;
}

/** `32768:65000`, as Calico writes it, or one port. */
export function parsePortRange(text: string): PortRange {
  const [, first = "", last = first] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (!(range.first >= 1 && range.first <= range.last && range.last <= 65_535))
    throw new Error("must be a range of ports such as 32768:65000");
  return range;
}

export function parseSourceAddress(text: string): IpAddress {
  const address = IpAddress.tryParse(text);
  if (address === undefined) throw new Error("must be an address such as 192.0.2.1");
  return address;
}

/** The name of a device, up to 15 octets, whose trailing `+` stands for anything. */
export function parseInterfaceFilter(text: string): string {
  if (!/^[A-Za-z0-9_.@-]{1,15}\+?$/.test(text))
    throw new Error("must be the name of an interface such as eth0 or eth+");
  return text;
}
