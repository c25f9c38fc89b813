import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { KernelRoute, RouteNextHop } from "../types.ts";
import { nextHopFlag, routeAttribute, routeFlag, routeMetric } from "./constants.ts";
import { addressFamily, anywhere } from "./family.ts";
import { routeTypeName, scopeName } from "./names.ts";
import { type ByteReader, malformed } from "./reader.ts";

const NEXT_HOP_HEADER_BYTES = 8;

/** How a route is known while its attributes are read. */
interface RouteDraft {
  destination?: IpAddress;
  table: number;
  metric: number;
  preferredSource?: IpAddress;
  mtu?: number;
  gateway?: IpAddress;
  interfaceIndex?: number;
  multipath?: readonly DecodedNextHop[];
}

interface DecodedNextHop {
  readonly nextHop: RouteNextHop;
  readonly isDown: boolean;
}

/**
 * Reads the payload of RTM_NEWROUTE or RTM_DELROUTE. Undefined for what is no entry of an IPv4 or IPv6 table: other
 * families, and (unless `lookup`, where it is the answer) what the kernel derived from an entry for one destination.
 * Throws `MALFORMED_MESSAGE`.
 */
export function decodeRoute(payload: ByteReader, lookup = false): KernelRoute | undefined {
  const routeFamily = addressFamily(payload.u8());
  const length = payload.u8();
  payload.skip(1);
  const tos = payload.u8();
  const draft: RouteDraft = { table: payload.u8(), metric: 0 };
  const protocol = payload.u8();
  const scope = scopeName(payload.u8());
  const type = routeTypeName(payload.u8());
  const flags = payload.u32();
  if (routeFamily === undefined || type === undefined) return undefined;
  if (!lookup && (flags & routeFlag.cloned) !== 0) return undefined;
  payload.attributes((attribute, value) => readAttribute(draft, attribute, value));

  const address = draft.destination ?? anywhere[routeFamily].address;
  if (address.family !== routeFamily || length > address.bits) throw malformed(`a route to ${address}/${length}`);
  const hops = forwards(type) ? (draft.multipath ?? singleNextHop(draft, flags)) : [];
  const { table, metric, preferredSource, mtu } = draft;
  const destination = Prefix.of(address, length);
  const nextHops = hops.map(({ nextHop }) => nextHop);
  const isDown = hops.length > 0 && hops.every((hop) => hop.isDown);
  // Spreading costs as much as all the rest, and a busy node reads hundreds of thousands of routes that need none.
  if (preferredSource === undefined && mtu === undefined && !isDown)
    return { destination, type, table, protocol, scope, metric, tos, nextHops };
  return {
    ...{ destination, type, table, protocol, scope, metric, tos, nextHops },
    ...(preferredSource === undefined ? undefined : { preferredSource }),
    ...(mtu === undefined ? undefined : { mtu }),
    ...(isDown ? { linkDown: true } : undefined),
  };
}

/** The kernel names lo as the device of an IPv6 blackhole, which is no next hop. */
function forwards(type: KernelRoute["type"]): boolean {
  return type !== "blackhole" && type !== "unreachable" && type !== "prohibit" && type !== "throw";
}

function readAttribute(draft: RouteDraft, attribute: number, value: ByteReader): void {
  switch (attribute) {
    case routeAttribute.destination:
      draft.destination = value.address();
      break;
    case routeAttribute.table:
      draft.table = value.u32();
      break;
    case routeAttribute.priority:
      draft.metric = value.u32();
      break;
    case routeAttribute.preferredSource:
      draft.preferredSource = value.address();
      break;
    case routeAttribute.metrics:
      value.attributes((metric, metricValue) => {
        if (metric === routeMetric.mtu) draft.mtu = metricValue.u32();
      });
      break;
    case routeAttribute.gateway:
    case routeAttribute.via:
      draft.gateway = readGateway(attribute, value);
      break;
    case routeAttribute.outputInterface:
      draft.interfaceIndex = value.u32();
      break;
    case routeAttribute.multipath:
      draft.multipath = readMultipath(value);
      break;
  }
}

function readGateway(attribute: number, value: ByteReader): IpAddress {
  if (attribute === routeAttribute.via) value.skip(2);
  return value.address();
}

function singleNextHop(draft: RouteDraft, flags: number): DecodedNextHop[] {
  const { gateway, interfaceIndex: index } = draft;
  if (gateway === undefined && index === undefined) return [];
  return [describeNextHop(gateway, index, flags, 1)];
}

function readMultipath(value: ByteReader): DecodedNextHop[] {
  const hops: DecodedNextHop[] = [];
  while (value.remaining > 0) {
    const length = value.u16();
    const flags = value.u8();
    const weight = value.u8() + 1;
    const index = value.u32();
    if (length < NEXT_HOP_HEADER_BYTES) throw malformed(`a next hop says it is ${length} octets long`);
    let gateway: IpAddress | undefined;
    value.takeAligned(length - NEXT_HOP_HEADER_BYTES).attributes((attribute, inner) => {
      if (attribute === routeAttribute.gateway || attribute === routeAttribute.via)
        gateway = readGateway(attribute, inner);
    });
    hops.push(describeNextHop(gateway, index === 0 ? undefined : index, flags, weight));
  }
  return hops;
}

function describeNextHop(
  gateway: IpAddress | undefined,
  index: number | undefined,
  flags: number,
  weight: number,
): DecodedNextHop {
  const isDown = (flags & (nextHopFlag.dead | nextHopFlag.linkDown)) !== 0;
  const onlink = (flags & nextHopFlag.onlink) !== 0;
  if (gateway !== undefined && index !== undefined)
    return { nextHop: { gateway, interfaceIndex: index, onlink, weight }, isDown };
  const gatewayOnly = gateway === undefined ? undefined : { gateway };
  const deviceOnly = index === undefined ? undefined : { interfaceIndex: index };
  return { nextHop: { ...gatewayOnly, ...deviceOnly, onlink, weight }, isDown };
}
