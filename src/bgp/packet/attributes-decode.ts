import { mergeAs4Path } from "./attribute-as-path.ts";
import { encodeAttribute, requiredBits } from "./attribute-octets.ts";
import {
  type AttributeDraft,
  type AttributeFault,
  AttributeFlag,
  type AttributeOutcome,
  type AttributeRule,
  lengthFault,
  UpdateSubcode,
} from "./attribute-rule.ts";
import { attributeRule, isUnread } from "./attribute-table.ts";
import type { PathAttributes } from "./attributes.ts";
import { asTrans, ErrorCode } from "./constants.ts";
import { type DecodeFailure, decodeFailure } from "./errors.ts";
import type { AttributeProblem, CodecContext } from "./message.ts";
import type { Reader } from "./reader.ts";

/** ORIGIN, AS_PATH and, with routes in the NLRI field, NEXT_HOP (RFC 4271 §5). */
const mandatoryCodes = [1, 2, 3];

/** All attributes of one UPDATE as far as they could be read, and what was wrong. */
export interface DecodedAttributes {
  readonly draft: AttributeDraft;
  readonly problems: readonly AttributeProblem[];
  /** Set if the routes are to be withdrawn: what a session reset in its place would say. */
  readonly withdraw: DecodeFailure | undefined;
  /** True if there was anything but MP_UNREACH_NLRI. */
  readonly hasOtherThanUnreach: boolean;
}

/**
 * Reads the whole Path Attributes field and applies RFC 7606: all attributes are read whatever was wrong with one before,
 * and the strongest outcome wins. `hasIpv4Nlri` says if the UPDATE's own NLRI field holds routes.
 */
export function decodeAttributes(
  field: Reader,
  context: CodecContext,
  hasIpv4Nlri: boolean,
): DecodedAttributes | DecodeFailure {
  return new AttributesDecoder(context, hasIpv4Nlri).decode(field);
}

class AttributesDecoder {
  readonly #context: CodecContext;
  readonly #hasIpv4Nlri: boolean;
  readonly #seen = new Set<number>();
  readonly #problems: AttributeProblem[] = [];
  readonly #draft: AttributeDraft = {
    atomicAggregate: false,
    communities: [],
    extendedCommunities: [],
    largeCommunities: [],
    clusterList: [],
    unknown: [],
  };
  #withdraw: DecodeFailure | undefined;
  #reset: DecodeFailure | undefined;
  #hasOtherThanUnreach = false;

  constructor(context: CodecContext, hasIpv4Nlri: boolean) {
    this.#context = context;
    this.#hasIpv4Nlri = hasIpv4Nlri;
  }

  decode(field: Reader): DecodedAttributes | DecodeFailure {
    while (field.remaining > 0) {
      this.#next(field);
      if (this.#reset !== undefined) return this.#reset;
    }
    this.#checkMandatory();
    if (!this.#context.fourOctetAs) mergeAs4Attributes(this.#draft);
    this.#draft.unknown.sort((left, right) => left.code - right.code);
    return {
      draft: this.#draft,
      problems: this.#problems,
      withdraw: this.#withdraw,
      hasOtherThanUnreach: this.#hasOtherThanUnreach,
    };
  }

  /** One attribute. RFC 7606 §4: lengths that leave the field are treat-as-withdraw, and there is no telling what follows. */
  #next(field: Reader): void {
    const flags = field.u8();
    const code = field.u8();
    const length = (flags & AttributeFlag.extendedLength) === 0 ? field.u8() : field.u16();
    if (field.overran || length > field.remaining) {
      this.#hasOtherThanUnreach = true;
      field.copyRest();
      this.#record(undefined, "treat-as-withdraw", {
        subcode: UpdateSubcode.malformedAttributeList,
        reason: "the last attribute is cut off by the end of the attribute list",
      });
      return;
    }
    const value = field.take(length);
    const rule = attributeRule(code);
    if (code !== 15) this.#hasOtherThanUnreach = true;
    if (this.#seen.has(code)) this.#repeated(code);
    else {
      this.#seen.add(code);
      if (rule === undefined) this.#unknown(flags, code, value);
      else if (!isUnread(rule, this.#context, this.#hasIpv4Nlri)) this.#known(rule, flags, value);
    }
  }

  #known(rule: AttributeRule, flags: number, value: Reader): void {
    const wrongFlags =
      (flags & (AttributeFlag.optional | AttributeFlag.transitive)) !== requiredBits[rule.category]
        ? {
            subcode: UpdateSubcode.attributeFlags,
            reason: `the flags 0x${flags.toString(16)} are not ${rule.category}`,
          }
        : undefined;
    if (wrongFlags !== undefined)
      this.#record(rule.code, "treat-as-withdraw", wrongFlags, encodeAttribute(flags, rule.code, value.copyAll()));
    const length = value.remaining;
    const result = rule.decode(value, this.#draft, this.#context);
    if (result === "keep") {
      if (rule.category === "optional-transitive" && wrongFlags === undefined) this.#keep(rule.code, value);
      return;
    }
    const fault =
      result ?? (value.overran || value.remaining > 0 ? lengthFault(length, "what its contents need") : undefined);
    if (fault !== undefined)
      this.#record(rule.code, fault.outcome ?? rule.onError, fault, encodeAttribute(flags, rule.code, value.copyAll()));
  }

  #unknown(flags: number, code: number, value: Reader): void {
    if ((flags & AttributeFlag.optional) === 0)
      // RFC 4271 §6.3 would have 3/2; withdrawing is as safe and does not let one route end the session.
      this.#record(
        code,
        "treat-as-withdraw",
        { subcode: UpdateSubcode.unrecognizedWellKnown, reason: "it is well-known, but we do not know it" },
        encodeAttribute(flags, code, value.copyAll()),
      );
    else if ((flags & AttributeFlag.transitive) !== 0) this.#keep(code, value);
  }

  /** RFC 4271 §5: passed on with Partial set; the four unused bits are not. */
  #keep(code: number, value: Reader): void {
    const flags = AttributeFlag.optional | AttributeFlag.transitive | AttributeFlag.partial;
    this.#draft.unknown.push({ flags, code, value: value.copyAll() });
  }

  /** RFC 7606 §3 (g). */
  #repeated(code: number): void {
    const isMultiprotocol = code === 14 || code === 15;
    this.#record(code, isMultiprotocol ? "session-reset" : "attribute-discard", {
      subcode: UpdateSubcode.malformedAttributeList,
      reason: "it appears more than once",
    });
  }

  /** RFC 7606 §3 (d). LOCAL_PREF is not asked for: a peer that leaves it out gets the default. */
  #checkMandatory(): void {
    if (!this.#hasIpv4Nlri && this.#draft.reach?.hasRoutes !== true) return;
    for (const code of mandatoryCodes) {
      if (this.#seen.has(code) || (code === 3 && !this.#hasIpv4Nlri)) continue;
      const fault = { subcode: UpdateSubcode.missingWellKnown, reason: "it is missing" };
      this.#record(code, "treat-as-withdraw", fault, new Uint8Array([code]));
    }
  }

  #record(code: number | undefined, outcome: AttributeOutcome, fault: AttributeFault, data?: Uint8Array): void {
    const name = code === undefined ? "attribute list" : (attributeRule(code)?.name ?? `attribute ${code}`);
    const reason = `${name}: ${fault.reason}`;
    if (outcome === "session-reset") {
      this.#reset ??= decodeFailure(ErrorCode.update, fault.subcode, reason, data);
      return;
    }
    this.#problems.push({ outcome, reason, ...(code === undefined ? {} : { attribute: code }) });
    if (outcome === "treat-as-withdraw")
      this.#withdraw ??= decodeFailure(ErrorCode.update, fault.subcode, reason, data);
  }
}

/** RFC 6793 §4.2.3: an AGGREGATOR with a real AS number was made by someone who cannot have updated the AS4 attributes. */
function mergeAs4Attributes(draft: AttributeDraft): void {
  const { aggregator, as4Aggregator, asPath, as4Path } = draft;
  if (aggregator !== undefined && as4Aggregator !== undefined) {
    if (aggregator.asNumber !== asTrans) return;
    draft.aggregator = as4Aggregator;
  }
  if (asPath !== undefined && as4Path !== undefined) draft.asPath = mergeAs4Path(asPath, as4Path);
}

/** The attributes that routes share; undefined while a mandatory one is missing. */
export function toPathAttributes(draft: AttributeDraft): PathAttributes | undefined {
  const { origin, asPath } = draft;
  if (origin === undefined || asPath === undefined) return undefined;
  return {
    origin,
    asPath,
    ...(draft.med === undefined ? {} : { med: draft.med }),
    ...(draft.localPref === undefined ? {} : { localPref: draft.localPref }),
    atomicAggregate: draft.atomicAggregate,
    ...(draft.aggregator === undefined ? {} : { aggregator: draft.aggregator }),
    communities: draft.communities,
    extendedCommunities: draft.extendedCommunities,
    largeCommunities: draft.largeCommunities,
    ...(draft.originatorId === undefined ? {} : { originatorId: draft.originatorId }),
    clusterList: draft.clusterList,
    ...(draft.onlyToCustomer === undefined ? {} : { onlyToCustomer: draft.onlyToCustomer }),
    unknown: draft.unknown,
  };
}
