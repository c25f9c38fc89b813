import type { AddressFamily, IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { NetlinkError } from "../errors.ts";
import type { KernelRoute, NetlinkRequest, RouteFilter, RouteNextHop } from "../types.ts";
import { nextHopFlag, routeAttribute, routeFlag, routeMetric } from "./constants.ts";
import { anywhere, familyNumber } from "./family.ts";
import { interfaceIndex, unsigned } from "./fields.ts";
import { routeTypeNumber, scopeNumber } from "./names.ts";
import type { MessageWriter } from "./writer.ts";

/** The kernel gives IPv6 routes without a metric this one (IP6_RT_PRIO_USER). */
const IPV6_DEFAULT_METRIC = 1024;
/** RT_SCOPE_NOWHERE means any scope in a deletion. */
const ANY_SCOPE = 255;
/** Tables from here on do not fit the header's octet. */
const FIRST_LARGE_TABLE = 256;
const MAX_WEIGHT = 256;

/** Payload of RTM_NEWROUTE: struct rtmsg and attributes. Throws `INVALID_REQUEST`. */
export function encodeRoute(writer: MessageWriter, route: KernelRoute): void {
  const { destination, nextHops, preferredSource, mtu } = route;
  const only = nextHops.length === 1 ? nextHops[0] : undefined;
  encodeHeader(writer, {
    destination,
    tos: route.tos,
    table: route.table,
    protocol: unsigned("protocol", route.protocol, 255),
    scope: scopeNumber(route.scope),
    type: routeTypeNumber(route.type),
    flags: only?.onlink === true ? nextHopFlag.onlink : 0,
  });
  if (route.metric !== 0) writer.u32Attribute(routeAttribute.priority, unsigned("metric", route.metric, 0xffffffff));
  if (preferredSource !== undefined) {
    if (preferredSource.family !== destination.family)
      throw new NetlinkError(
        "INVALID_REQUEST",
        `preferredSource ${preferredSource} is of another family than ${destination}`,
        {
          field: "preferredSource",
          value: preferredSource.toString(),
        },
      );
    writer.addressAttribute(routeAttribute.preferredSource, preferredSource);
  }
  if (mtu !== undefined)
    writer.nested(routeAttribute.metrics, () => writer.u32Attribute(routeMetric.mtu, unsigned("mtu", mtu, 65_535)));
  if (only !== undefined) encodeNextHop(writer, only, destination.family, true);
  else if (nextHops.length > 1)
    writer.attribute(routeAttribute.multipath, () => {
      for (const nextHop of nextHops) encodeMultipathEntry(writer, nextHop, destination.family);
    });
}

/** Payload of RTM_DELROUTE: what the request leaves open matches anything. Throws `INVALID_REQUEST`. */
export function encodeRouteDeletion(
  writer: MessageWriter,
  request: Extract<NetlinkRequest, { op: "route-delete" }>,
): void {
  const { destination, tos, table, metric } = request.key;
  encodeHeader(writer, {
    destination,
    tos,
    table,
    protocol: request.protocol === undefined ? 0 : unsigned("protocol", request.protocol, 255),
    scope: ANY_SCOPE,
    type: request.type === undefined ? 0 : routeTypeNumber(request.type),
    flags: 0,
  });
  const wanted = metric === 0 && destination.family === 6 ? IPV6_DEFAULT_METRIC : metric;
  if (wanted !== 0) writer.u32Attribute(routeAttribute.priority, unsigned("metric", wanted, 0xffffffff));
}

/** Payload of a dump's RTM_GETROUTE; kernels with strict checking answer with just the routes that match. */
export function encodeRouteDump(
  writer: MessageWriter,
  filter: Required<Pick<RouteFilter, "family" | "table">> & RouteFilter,
): void {
  encodeHeader(writer, {
    destination: anywhere[filter.family],
    tos: 0,
    table: filter.table,
    protocol: filter.protocol === undefined ? 0 : unsigned("protocol", filter.protocol, 255),
    scope: 0,
    type: 0,
    flags: 0,
  });
}

/** Payload of the RTM_GETROUTE that asks how a packet to `address` would leave. */
export function encodeRouteLookup(writer: MessageWriter, address: IpAddress): void {
  encodeHeader(writer, {
    destination: Prefix.host(address),
    tos: 0,
    table: 0,
    protocol: 0,
    scope: 0,
    type: 0,
    // An IPv6 answer always tells the table, and strict checking refuses the flag there.
    flags: address.family === 4 ? routeFlag.lookupTable : 0,
  });
}

interface RouteHeader {
  readonly destination: Prefix;
  readonly tos: number;
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  readonly type: number;
  readonly flags: number;
}

/** struct rtmsg, and the attributes that belong to its fields. */
function encodeHeader(writer: MessageWriter, header: RouteHeader): void {
  const { destination, table } = header;
  const isLargeTable = unsigned("table", table, 0xffffffff) >= FIRST_LARGE_TABLE;
  writer.u8(familyNumber(destination.family));
  writer.u8(destination.length);
  writer.u8(0);
  writer.u8(unsigned("tos", header.tos, 255));
  writer.u8(isLargeTable ? 0 : table);
  writer.u8(header.protocol);
  writer.u8(header.scope);
  writer.u8(header.type);
  writer.u32(header.flags);
  if (destination.length > 0) writer.addressAttribute(routeAttribute.destination, destination.address);
  if (isLargeTable) writer.u32Attribute(routeAttribute.table, table);
}

function encodeNextHop(
  writer: MessageWriter,
  nextHop: RouteNextHop,
  routeFamily: AddressFamily,
  withInterface: boolean,
): void {
  const { gateway, interfaceIndex: index } = nextHop;
  if (gateway?.family === routeFamily) writer.addressAttribute(routeAttribute.gateway, gateway);
  else if (gateway !== undefined)
    // RTA_VIA: an IPv4 route through an IPv6 gateway (RFC 8950 next hops).
    writer.attribute(routeAttribute.via, () => {
      writer.u16(familyNumber(gateway.family));
      writer.address(gateway);
    });
  if (withInterface && index !== undefined)
    writer.u32Attribute(routeAttribute.outputInterface, interfaceIndex("nextHops.interfaceIndex", index));
}

/** struct rtnexthop (length, flags, weight - 1, interface) and its attributes. */
function encodeMultipathEntry(writer: MessageWriter, nextHop: RouteNextHop, routeFamily: AddressFamily): void {
  const { weight, interfaceIndex: index } = nextHop;
  writer.counted(() => {
    writer.u8(nextHop.onlink ? nextHopFlag.onlink : 0);
    writer.u8(unsigned("nextHops.weight - 1", weight - 1, MAX_WEIGHT - 1));
    writer.u32(index === undefined ? 0 : interfaceIndex("nextHops.interfaceIndex", index));
    encodeNextHop(writer, nextHop, routeFamily, false);
  });
}
