import { UpdateSubcode } from "./attribute-rule.ts";
import { type DecodedAttributes, decodeAttributes, toPathAttributes } from "./attributes-decode.ts";
import { ErrorCode, standardMaxMessageLength } from "./constants.ts";
import { type DecodeFailure, decodeFailure } from "./errors.ts";
import type { Family } from "./family.ts";
import type { Announcement, CodecContext, DecodeResult, Nlri, UpdateMessage, Withdrawal } from "./message.ts";
import { decodeNlri } from "./nlri.ts";
import type { Reader } from "./reader.ts";

/** What two speakers without any capability have in common. */
const plainContext: CodecContext = {
  peerType: "ebgp",
  fourOctetAs: false,
  maxMessageLength: standardMaxMessageLength,
  families: ["ipv4-unicast"],
  addPathReceive: [],
  addPathSend: [],
};

/**
 * The body of an UPDATE (RFC 4271 §4.3) after the error handling of RFC 7606. The NLRI field's place follows from the two
 * length fields alone, never from where reading attributes came to.
 */
export function decodeUpdate(body: Reader, context: CodecContext = plainContext): DecodeResult<UpdateMessage> {
  const withdrawnField = body.take(body.u16());
  const attributesField = body.take(body.u16());
  if (body.overran)
    return decodeFailure(
      ErrorCode.update,
      UpdateSubcode.malformedAttributeList,
      "the withdrawn routes or the attributes reach past the end of the message",
    );
  const isEmpty = withdrawnField.remaining + attributesField.remaining + body.remaining === 0;
  const withdrawn = decodeIpv4Field(withdrawnField, "withdrawn routes", context);
  if ("ok" in withdrawn) return withdrawn;
  const announced = decodeIpv4Field(body, "NLRI", context);
  if ("ok" in announced) return announced;
  const decoded = decodeAttributes(attributesField, context, announced.hasRoutes);
  if ("ok" in decoded) return decoded;

  const { reach, unreach } = decoded.draft;
  // RFC 7606 §5.2: attributes without routes may be what is left of routes that the error hides.
  const hasReachable = announced.hasRoutes || reach?.hasRoutes === true;
  if (decoded.withdraw !== undefined && !hasReachable && decoded.hasOtherThanUnreach) return decoded.withdraw;

  const withdrawals: Withdrawal[] = [];
  addWithdrawal(withdrawals, "ipv4-unicast", withdrawn.nlri);
  addWithdrawal(withdrawals, unreach?.family, unreach?.nlri ?? []);
  const endOfRib = endOfRibFamily(isEmpty, withdrawn.nlri, decoded, context);
  const common = { type: "update", withdrawals, problems: decoded.problems } as const;
  const attributes = decoded.withdraw === undefined ? toPathAttributes(decoded.draft) : undefined;
  if (attributes === undefined) {
    addWithdrawal(withdrawals, "ipv4-unicast", announced.nlri);
    addWithdrawal(withdrawals, reach?.family, reach?.nlri ?? []);
    return { ok: true, message: { ...common, announcements: [], ...(endOfRib === undefined ? {} : { endOfRib }) } };
  }
  const announcements = toAnnouncements(announced.nlri, decoded);
  if (announcements.length === 0) return { ok: true, message: { ...common, announcements } };
  return { ok: true, message: { ...common, announcements, attributes } };
}

interface Ipv4Field {
  readonly nlri: readonly Nlri[];
  /** True if the field is not empty, even where its routes are ignored. */
  readonly hasRoutes: boolean;
}

/** Read also where IPv4 was not agreed on, because a broken field means a broken peer; but then without its routes. */
function decodeIpv4Field(field: Reader, name: string, context: CodecContext): Ipv4Field | DecodeFailure {
  const nlri: Nlri[] = [];
  const wrong = decodeNlri(field, "ipv4-unicast", context.addPathReceive.includes("ipv4-unicast"), nlri);
  if (wrong !== undefined)
    return decodeFailure(ErrorCode.update, UpdateSubcode.invalidNetworkField, `${name}: ${wrong}`);
  return { nlri: context.families.includes("ipv4-unicast") ? nlri : [], hasRoutes: nlri.length > 0 };
}

function addWithdrawal(withdrawals: Withdrawal[], family: Family | undefined, nlri: readonly Nlri[]): void {
  if (family !== undefined && nlri.length > 0) withdrawals.push({ family, nlri });
}

function toAnnouncements(ipv4Nlri: readonly Nlri[], { draft }: DecodedAttributes): readonly Announcement[] {
  const announcements: Announcement[] = [];
  if (ipv4Nlri.length > 0 && draft.nextHop !== undefined)
    announcements.push({ family: "ipv4-unicast", nextHop: { address: draft.nextHop }, nlri: ipv4Nlri });
  const { reach } = draft;
  if (reach?.family !== undefined && reach.nextHop !== undefined && reach.hasRoutes)
    announcements.push({ family: reach.family, nextHop: reach.nextHop, nlri: reach.nlri });
  return announcements;
}

/** RFC 4724 §2: an UPDATE of 23 octets, or one with nothing but an empty MP_UNREACH_NLRI. */
function endOfRibFamily(
  isEmpty: boolean,
  withdrawn: readonly Nlri[],
  { draft, hasOtherThanUnreach }: DecodedAttributes,
  context: CodecContext,
): Family | undefined {
  if (isEmpty) return context.families.includes("ipv4-unicast") ? "ipv4-unicast" : undefined;
  if (hasOtherThanUnreach || withdrawn.length > 0 || draft.unreach?.hasRoutes !== false) return undefined;
  return draft.unreach.family;
}
