import type { Link } from "../../netlink/types.ts";
import type { DeviceStep } from "./types.ts";

/** The device of this name; if there is none, the one that had it when last seen, in case it has only been renamed. */
export function findDevice(
  links: readonly Link[],
  name: string,
  lastIndex: number | undefined,
  isOurs: (link: Link) => boolean,
): Link | undefined {
  return links.find((link) => link.name === name) ?? links.find((link) => link.index === lastIndex && isOurs(link));
}

/** Steps that give a device its name back; kernels before 6.2 rename only what is down. */
export function planName({ index, name, up }: Link, wanted: string): DeviceStep[] {
  if (name === wanted) return [];
  const set = (change: { readonly up?: boolean; readonly name?: string }): DeviceStep => ({
    request: { op: "link-set", link: index, change },
  });
  return [...(up ? [set({ up: false })] : []), set({ name: wanted })];
}
