import type { IpAddress } from "../../net/address.ts";
import { NetlinkError } from "../errors.ts";
import type { InterfaceAddress } from "../types.ts";
import { addressAttribute, addressFlag, family } from "./constants.ts";
import { addressFamily, familyNumber } from "./family.ts";
import { interfaceIndex } from "./fields.ts";
import { scopeName, scopeNumber } from "./names.ts";
import { type ByteReader, malformed } from "./reader.ts";
import type { MessageWriter } from "./writer.ts";

/** Payload of RTM_NEWADDR and RTM_DELADDR. Throws `INVALID_REQUEST`. */
export function encodeAddress(writer: MessageWriter, entry: InterfaceAddress): void {
  const { address, prefixLength } = entry;
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > address.bits)
    throw new NetlinkError(
      "INVALID_REQUEST",
      `prefixLength: ${prefixLength} of ${address} is not an integer from 0 to ${address.bits}`,
      { field: "prefixLength", value: prefixLength },
    );
  encodeHeader(writer, {
    familyNumber: familyNumber(address.family),
    prefixLength,
    scope: scopeNumber(entry.scope),
    index: interfaceIndex("interfaceIndex", entry.interfaceIndex),
  });
  writer.addressAttribute(addressAttribute.local, address);
  writer.addressAttribute(addressAttribute.address, address);
  if (entry.noDuplicateDetection === true)
    writer.u32Attribute(addressAttribute.flags, addressFlag.noDuplicateDetection);
}

/** Payload of a dump's RTM_GETADDR. */
export function encodeAddressDump(writer: MessageWriter): void {
  encodeHeader(writer, { familyNumber: family.unspecified, prefixLength: 0, scope: 0, index: 0 });
}

interface AddressHeader {
  readonly familyNumber: number;
  readonly prefixLength: number;
  readonly scope: number;
  readonly index: number;
}

/** struct ifaddrmsg. */
function encodeHeader(writer: MessageWriter, header: AddressHeader): void {
  writer.u8(header.familyNumber);
  writer.u8(header.prefixLength);
  writer.u8(0);
  writer.u8(header.scope);
  writer.u32(header.index);
}

/** Reads the payload of RTM_NEWADDR or RTM_DELADDR; undefined for other families. Throws `MALFORMED_MESSAGE`. */
export function decodeAddress(payload: ByteReader): InterfaceAddress | undefined {
  const ofFamily = addressFamily(payload.u8());
  const prefixLength = payload.u8();
  payload.skip(1);
  const scope = scopeName(payload.u8());
  const index = payload.u32();
  if (ofFamily === undefined) return undefined;
  let address: IpAddress | undefined;
  let local: IpAddress | undefined;
  let flags = 0;
  payload.attributes((attribute, value) => {
    if (attribute === addressAttribute.address) address = value.address();
    else if (attribute === addressAttribute.local) local = value.address();
    else if (attribute === addressAttribute.flags) flags = value.u32();
  });
  // On a point-to-point link IFA_ADDRESS is the other end's address and IFA_LOCAL ours.
  const own = local ?? address;
  if (own === undefined || own.family !== ofFamily || prefixLength > own.bits)
    throw malformed(`the address ${own}/${prefixLength} of interface ${index}`);
  return {
    interfaceIndex: index,
    address: own,
    prefixLength,
    scope,
    ...((flags & addressFlag.noDuplicateDetection) === 0 ? undefined : { noDuplicateDetection: true }),
    // IPv4 uses the bit for the further addresses of a subnet.
    ...(ofFamily === 6 && (flags & addressFlag.temporary) !== 0 ? { temporary: true } : undefined),
    ...((flags & addressFlag.duplicate) === 0 ? undefined : { duplicate: true }),
    ...((flags & addressFlag.deprecated) === 0 ? undefined : { deprecated: true }),
  };
}
