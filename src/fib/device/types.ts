import type { NetlinkEvent, NetlinkRequest } from "../../netlink/types.ts";
import type { TunnelError, TunnelErrorCode } from "./errors.ts";

/** Whether packets can be sent through a tunnel device now. */
export type DeviceState =
  | {
      readonly ready: true;
      readonly device: string;
      /** What the device has, in octets; a device above may allow less than was asked for. */
      readonly mtu: number;
    }
  | { readonly ready: false; readonly code: TunnelErrorCode; readonly reason: string };

/** One thing to do to a device. */
export type DeviceStep =
  | { readonly request: NetlinkRequest }
  /** Something that rtnetlink cannot do; throws what it likes. */
  | { readonly what: string; readonly run: () => void };

/** What is particular to one kind of device. All but `look` are pure. */
export interface DeviceKind<Wish, Seen> {
  /** Reads the kernel. */
  look(wish: Wish | undefined): Promise<Seen>;
  /** What brings the device from what was seen nearer to the wish; empty if it is there. Throws TunnelError. */
  plan(wish: Wish, seen: Seen): readonly DeviceStep[];
  /** What has to be undone when nobody wishes for the device any more; `last` is what was wished before, if anything. */
  planRemoval(last: Wish | undefined, seen: Seen): readonly DeviceStep[];
  /** The MTU of the device if it can carry packets as the wish says, even if something is left to be done. */
  usableMtu(wish: Wish, seen: Seen): number | undefined;
  /** The event tells of something that `look` would see. */
  concerns(event: NetlinkEvent): boolean;
  /** A better explanation of a refused request; undefined if there is none. */
  explain(request: NetlinkRequest, errnoName: string): TunnelError | undefined;
}
