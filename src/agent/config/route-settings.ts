import { RouteProtocol } from "../../netlink/types.ts";

/** Of the kernel, of `ip route add`, of router advertisements and of DHCP: we would delete their routes as our own. */
const neverOurs: readonly number[] = [0, 1, 2, 3, 4, 9, 16];

const names: ReadonlyMap<string, number> = new Map(Object.entries(RouteProtocol));

/** A fixed metric, or `auto`: what Calico from v3.32 on would write. */
export function parseRouteMetric(text: string): number | "auto" {
  if (text === "auto") return text;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value < 2 ** 31)) throw new Error("must be auto, or a route metric from 0 to 2147483647");
  return value;
}

/** The RTPROT_* number of our routes, also by name. */
export function parseRouteProtocol(text: string): number {
  const protocol = protocolNumber(text);
  if (protocol === undefined || neverOurs.includes(protocol))
    throw new Error(
      `must be a route protocol from 5 to 255 that is not the host's own (9, 16), or calibird, bird or felix`,
    );
  return protocol;
}

/** RTPROT_* numbers or names, separated by commas. The kernel's own routes are nobody's to take. */
export function parseTakeover(text: string): readonly number[] {
  return text.split(",").map((part) => {
    const protocol = protocolNumber(part.trim());
    if (protocol === undefined || protocol <= RouteProtocol.kernel)
      throw new Error("must be route protocols from 3 to 255, such as bird,felix,boot or 12,80,3");
    return protocol;
  });
}

function protocolNumber(text: string): number | undefined {
  const value = names.get(text.toLowerCase()) ?? (/^\d{1,3}$/.test(text) ? Number(text) : Number.NaN);
  return value <= 255 ? value : undefined;
}
