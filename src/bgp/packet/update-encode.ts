import { encodeAttribute, requiredBits } from "./attribute-octets.ts";
import { AttributeFlag, type AttributeRule, type AttributeSource } from "./attribute-rule.ts";
import { attributeRule, attributeRules, isUnread } from "./attribute-table.ts";
import type { PathAttributes } from "./attributes.ts";
import { headerLength, MessageType } from "./constants.ts";
import { BgpPacketError, requireInteger } from "./errors.ts";
import { afiSafiOf, type Family } from "./family.ts";
import { buildMessage } from "./header.ts";
import type { Announcement, CodecContext, NextHop, Withdrawal } from "./message.ts";
import { packNlri } from "./nlri.ts";
import { Writer } from "./writer.ts";

/** What one call of `encodeUpdates` is to say. */
export interface UpdateParts {
  readonly withdrawals: readonly Withdrawal[];
  readonly announcements: readonly Announcement[];
  /** Shared by all announcements; needed unless those have no routes. */
  readonly attributes?: PathAttributes;
}

const noOctets = new Uint8Array(0);

/** Header and the two length fields of an UPDATE. */
const updateOverhead = headerLength + 4;

/** Flags, code and two-octet length of an attribute that carries routes. */
const attributeOverhead = 4;

/**
 * As few UPDATEs as can say it, withdrawals first, each within the session's maximum length. IPv4 routes go into the classic
 * fields, IPv6 routes and IPv4 routes with an IPv6 next hop (RFC 8950) into MP_REACH_NLRI and MP_UNREACH_NLRI, which stand first in the attribute list (RFC 7606 §5.1).
 * What has no place on the session is left out: LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST and confederation segments towards
 * eBGP. Throws `BgpPacketError` for what no valid message can carry; nothing is returned in part.
 */
export function encodeUpdates(parts: UpdateParts, context: CodecContext): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (const withdrawal of parts.withdrawals) encodeWithdrawal(withdrawal, context, messages);
  for (const announcement of parts.announcements)
    if (announcement.nlri.length > 0) encodeAnnouncement(announcement, parts.attributes, context, messages);
  return messages;
}

/**
 * The path attributes of one route as a table dump holds them (RFC 6396 §4.3.4): AS numbers of four octets, and of
 * MP_REACH_NLRI the next hop alone. Throws `BgpPacketError` for what no valid message can carry.
 */
export function encodePathAttributes(attributes: PathAttributes, nextHop: NextHop): Uint8Array {
  const context: CodecContext = {
    peerType: "ibgp",
    fourOctetAs: true,
    maxMessageLength: 65_535,
    families: [],
    addPathReceive: [],
    addPathSend: [],
  };
  if (nextHop.address.family === 4) return encodeAttributes({ attributes, nextHop: nextHop.address }, context);
  const reach = new Writer().u8(nextHop.linkLocal === undefined ? 16 : 32).address(nextHop.address);
  if (nextHop.linkLocal !== undefined) reach.address(nextHop.linkLocal);
  return new Writer()
    .bytes(encodeAttributes({ attributes }, context))
    .bytes(encodeAttribute(AttributeFlag.optional, 14, reach.toBytes()))
    .toBytes();
}

/** The End-of-RIB marker of a family (RFC 4724 §2). */
export function encodeEndOfRib(family: Family): Uint8Array {
  if (family === "ipv4-unicast") return buildUpdate(noOctets, [], noOctets, updateOverhead);
  const value = familyHeader(family).toBytes();
  return buildUpdate(noOctets, [encodeAttribute(AttributeFlag.optional, 15, value)], noOctets, 4096);
}

function encodeWithdrawal({ family, nlri }: Withdrawal, context: CodecContext, messages: Uint8Array[]): void {
  requireFamily(family, context);
  const withPathId = context.addPathSend.includes(family);
  const maximum = context.maxMessageLength;
  if (family === "ipv4-unicast") {
    for (const field of packNlri(nlri, family, withPathId, maximum - updateOverhead))
      messages.push(buildUpdate(field, [], noOctets, maximum));
    return;
  }
  const head = familyHeader(family).toBytes();
  const budget = maximum - updateOverhead - attributeOverhead - head.length;
  for (const field of packNlri(nlri, family, withPathId, budget))
    messages.push(buildUpdate(noOctets, [routesAttribute(15, head, field)], noOctets, maximum));
}

function encodeAnnouncement(
  { family, nextHop, nlri }: Announcement,
  attributes: PathAttributes | undefined,
  context: CodecContext,
  messages: Uint8Array[],
): void {
  requireFamily(family, context);
  if (attributes === undefined)
    throw new BgpPacketError("ATTRIBUTES_MISSING", `${nlri.length} ${family} routes are announced without attributes`);
  requireNextHopFamily(family, nextHop, context);
  const withPathId = context.addPathSend.includes(family);
  const maximum = context.maxMessageLength;
  if (family === "ipv4-unicast" && nextHop.address.family === 4) {
    const octets = encodeAttributes({ attributes, nextHop: nextHop.address }, context);
    for (const field of packNlri(nlri, family, withPathId, maximum - updateOverhead - octets.length))
      messages.push(buildUpdate(noOctets, [octets], field, maximum));
    return;
  }
  const octets = encodeAttributes({ attributes }, context);
  const head = familyHeader(family)
    .u8(nextHop.linkLocal === undefined ? 16 : 32)
    .address(nextHop.address);
  if (nextHop.linkLocal !== undefined) head.address(nextHop.linkLocal);
  const reachHead = head.u8(0).toBytes();
  const budget = maximum - updateOverhead - attributeOverhead - reachHead.length - octets.length;
  for (const field of packNlri(nlri, family, withPathId, budget))
    messages.push(buildUpdate(noOctets, [routesAttribute(14, reachHead, field), octets], noOctets, maximum));
}

/** All attributes but those that carry routes, ascending by code. */
export function encodeAttributes(source: AttributeSource, context: CodecContext): Uint8Array {
  const found: { readonly code: number; readonly octets: Uint8Array }[] = [];
  for (const rule of attributeRules) {
    if (rule.encode === undefined || isUnread(rule, context, source.nextHop !== undefined)) continue;
    const value = rule.encode(source, context);
    if (value !== undefined) found.push({ code: rule.code, octets: attributeOctets(rule, value) });
  }
  for (const { flags, code, value } of source.attributes.unknown) {
    requireInteger("unknown.code", code, 0, 255);
    const known = attributeRule(code);
    if (known?.encode !== undefined || code === 14 || code === 15)
      throw new BgpPacketError("VALUE_OUT_OF_RANGE", `unknown has attribute ${code}, which has a field of its own`, {
        field: "unknown",
        value: code,
      });
    const bits = AttributeFlag.optional | AttributeFlag.transitive;
    if ((flags & bits) !== bits)
      throw new BgpPacketError("VALUE_OUT_OF_RANGE", `unknown attribute ${code} is not optional transitive`, {
        field: "unknown",
        value: flags,
      });
    requireValueLength(code, value);
    found.push({ code, octets: encodeAttribute(flags, code, value) });
  }
  found.sort((left, right) => left.code - right.code);
  found.forEach(({ code }, index) => {
    if (found[index + 1]?.code === code)
      throw new BgpPacketError("VALUE_OUT_OF_RANGE", `unknown has attribute ${code} twice`, {
        field: "unknown",
        value: code,
      });
  });
  const writer = new Writer();
  for (const { octets } of found) writer.bytes(octets);
  return writer.toBytes();
}

function attributeOctets(rule: AttributeRule, value: Uint8Array): Uint8Array {
  requireValueLength(rule.code, value);
  return encodeAttribute(requiredBits[rule.category], rule.code, value);
}

function requireValueLength(code: number, value: Uint8Array): void {
  if (value.length > 65535)
    throw new BgpPacketError("ATTRIBUTES_TOO_LARGE", `attribute ${code} has ${value.length} octets, more than 65535`, {
      field: `attribute ${code}`,
      value: value.length,
    });
}

function routesAttribute(code: 14 | 15, head: Uint8Array, field: Uint8Array): Uint8Array {
  return encodeAttribute(
    AttributeFlag.optional,
    code,
    new Writer(head.length + field.length).bytes(head).bytes(field).toBytes(),
  );
}

function familyHeader(family: Family): Writer {
  const { afi, safi } = afiSafiOf(family);
  return new Writer().u16(afi).u8(safi);
}

function buildUpdate(
  withdrawn: Uint8Array,
  attributes: readonly Uint8Array[],
  nlri: Uint8Array,
  maxMessageLength: number,
): Uint8Array {
  let attributesLength = 0;
  for (const octets of attributes) attributesLength += octets.length;
  return buildMessage(
    MessageType.update,
    [uint16(withdrawn.length), withdrawn, uint16(attributesLength), ...attributes, nlri],
    maxMessageLength,
  );
}

function uint16(value: number): Uint8Array {
  return new Uint8Array([value >>> 8, value]);
}

function requireFamily(family: Family, context: CodecContext): void {
  if (!context.families.includes(family))
    throw new BgpPacketError("FAMILY_NOT_NEGOTIATED", `${family} routes, but the session has ${context.families}`, {
      field: "family",
      value: family,
    });
}

function requireNextHopFamily(family: Family, { address, linkLocal }: NextHop, context: CodecContext): void {
  const isFit =
    address.family === 6
      ? family === "ipv6-unicast" || context.ipv4OverIpv6 === true
      : family === "ipv4-unicast" && linkLocal === undefined;
  if (isFit && linkLocal?.family !== 4) return;
  throw new BgpPacketError("NEXT_HOP_FAMILY_MISMATCH", `next hop ${address} does not fit ${family}`, {
    field: "nextHop",
    value: address,
  });
}
