import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { type ReceivedMessage, readMessages } from "../../../../src/netlink/codec/message.ts";
import { MessageWriter } from "../../../../src/netlink/codec/writer.ts";
import type { KernelRoute, RouteNextHop } from "../../../../src/netlink/types.ts";

/** The only message in some captured octets. */
export function messageOf(hex: string): ReceivedMessage {
  const [message] = readMessages(Buffer.from(hex, "hex"));
  if (message === undefined) throw new TypeError("no message");
  return message;
}

/** What an encoder adds to an empty message, in hex. */
export function payloadHex(write: (writer: MessageWriter) => void): string {
  const writer = new MessageWriter();
  writer.message(0, 0, 0, () => write(writer));
  return Buffer.from(writer.finish().subarray(16)).toString("hex");
}

export function routeTo(destination: string, fields: Partial<KernelRoute> = {}): KernelRoute {
  return {
    destination: Prefix.parse(destination),
    type: "unicast",
    table: 254,
    protocol: 202,
    scope: "universe",
    metric: 0,
    tos: 0,
    nextHops: [],
    ...fields,
  };
}

export function nextHop(gateway: string | undefined, fields: Partial<RouteNextHop> = {}): RouteNextHop {
  return {
    ...(gateway === undefined ? undefined : { gateway: IpAddress.parse(gateway) }),
    onlink: false,
    weight: 1,
    ...fields,
  };
}
