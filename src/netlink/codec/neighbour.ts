import type { IpAddress } from "../../net/address.ts";
import type { ForwardingEntry, Neighbour } from "../types.ts";
import { family, neighbourAttribute, neighbourFlag } from "./constants.ts";
import { addressFamily, familyNumber } from "./family.ts";
import { interfaceIndex, macOctets } from "./fields.ts";
import { neighbourStateName, neighbourStateNumber } from "./names.ts";
import type { ByteReader } from "./reader.ts";
import type { MessageWriter } from "./writer.ts";

const PERMANENT = neighbourStateNumber("permanent");
/** Set with the others on entries that never expire. */
const NOARP = neighbourStateNumber("noarp");

/** Payload of RTM_NEWNEIGH and RTM_DELNEIGH (which needs no state and no MAC address). Throws `INVALID_REQUEST`. */
export function encodeNeighbour(
  writer: MessageWriter,
  neighbour: Pick<Neighbour, "interfaceIndex" | "address"> & Partial<Neighbour>,
): void {
  const { address, macAddress, state } = neighbour;
  encodeHeader(writer, {
    familyNumber: familyNumber(address.family),
    index: interfaceIndex("interfaceIndex", neighbour.interfaceIndex),
    state: state === undefined ? 0 : neighbourStateNumber(state),
    flags: 0,
  });
  writer.addressAttribute(neighbourAttribute.destination, address);
  if (macAddress !== undefined) encodeMac(writer, macAddress);
}

/** The same payload for an entry of a VXLAN device's forwarding database. Throws `INVALID_REQUEST`. */
export function encodeForwardingEntry(writer: MessageWriter, entry: Omit<ForwardingEntry, "permanent">): void {
  encodeHeader(writer, {
    familyNumber: family.bridge,
    index: interfaceIndex("interfaceIndex", entry.interfaceIndex),
    state: PERMANENT | NOARP,
    flags: neighbourFlag.self,
  });
  encodeMac(writer, entry.macAddress);
  writer.addressAttribute(neighbourAttribute.destination, entry.destination);
}

/** Payload of a dump's RTM_GETNEIGH for the neighbours of both families, of one device or all. Throws `INVALID_REQUEST`. */
export function encodeNeighbourDump(writer: MessageWriter, index: number | undefined): void {
  encodeHeader(writer, { familyNumber: family.unspecified, index: 0, state: 0, flags: 0 });
  if (index !== undefined)
    writer.u32Attribute(neighbourAttribute.interfaceIndex, interfaceIndex("interfaceIndex", index));
}

/** Payload of a dump's RTM_GETNEIGH for one device's forwarding database. Throws `INVALID_REQUEST`. */
export function encodeForwardingDump(writer: MessageWriter, index: number): void {
  encodeHeader(writer, { familyNumber: family.bridge, index: 0, state: 0, flags: 0 });
  writer.u32Attribute(neighbourAttribute.interfaceIndex, interfaceIndex("interfaceIndex", index));
}

interface NeighbourHeader {
  readonly familyNumber: number;
  readonly index: number;
  readonly state: number;
  readonly flags: number;
}

/** struct ndmsg. */
function encodeHeader(writer: MessageWriter, header: NeighbourHeader): void {
  writer.u8(header.familyNumber);
  writer.u8(0);
  writer.u16(0);
  writer.u32(header.index);
  writer.u16(header.state);
  writer.u8(header.flags);
  writer.u8(0);
}

function encodeMac(writer: MessageWriter, macAddress: string): void {
  writer.attribute(neighbourAttribute.linkLayerAddress, () => writer.octets(macOctets("macAddress", macAddress)));
}

interface DecodedEntry {
  readonly familyNumber: number;
  readonly index: number;
  readonly state: number;
  readonly address?: IpAddress;
  readonly macAddress?: string;
}

/** Reads the payload of RTM_NEWNEIGH or RTM_DELNEIGH; undefined for other families. Throws `MALFORMED_MESSAGE`. */
export function decodeNeighbour(payload: ByteReader): Neighbour | undefined {
  return asNeighbour(decodeEntry(payload));
}

/** Reads the same for the forwarding database; undefined for entries that lead to no tunnel endpoint. */
export function decodeForwardingEntry(payload: ByteReader): ForwardingEntry | undefined {
  return asForwardingEntry(decodeEntry(payload));
}

/** Reads whichever of the two it is. */
export function decodeNeighbourEvent(
  payload: ByteReader,
):
  | { readonly type: "neighbour"; readonly neighbour: Neighbour }
  | { readonly type: "forwarding"; readonly entry: ForwardingEntry }
  | undefined {
  const decoded = decodeEntry(payload);
  const neighbour = asNeighbour(decoded);
  if (neighbour !== undefined) return { type: "neighbour", neighbour };
  const entry = asForwardingEntry(decoded);
  return entry && { type: "forwarding", entry };
}

function asNeighbour({ familyNumber: number, index, state, address, macAddress }: DecodedEntry): Neighbour | undefined {
  if (addressFamily(number) === undefined || address === undefined) return undefined;
  return {
    interfaceIndex: index,
    address,
    ...(macAddress === undefined ? undefined : { macAddress }),
    state: neighbourStateName(state),
  };
}

function asForwardingEntry(decoded: DecodedEntry): ForwardingEntry | undefined {
  const { familyNumber: number, index, state, address, macAddress } = decoded;
  if (number !== family.bridge || address === undefined || macAddress === undefined) return undefined;
  return { interfaceIndex: index, macAddress, destination: address, permanent: (state & PERMANENT) !== 0 };
}

function decodeEntry(payload: ByteReader): DecodedEntry {
  const familyNumber = payload.u8();
  payload.skip(3);
  const index = payload.u32();
  const state = payload.u16();
  payload.skip(2);
  let address: IpAddress | undefined;
  let macAddress: string | undefined;
  payload.attributes((attribute, value) => {
    if (attribute === neighbourAttribute.destination && (value.remaining === 4 || value.remaining === 16))
      address = value.address();
    else if (attribute === neighbourAttribute.linkLayerAddress && value.remaining === 6)
      macAddress = value.macAddress();
  });
  return {
    familyNumber,
    index,
    state,
    ...(address === undefined ? undefined : { address }),
    ...(macAddress === undefined ? undefined : { macAddress }),
  };
}
