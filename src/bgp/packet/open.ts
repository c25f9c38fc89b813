import type { Capability } from "./capability.ts";
import { decodeCapability, encodeCapability } from "./capability-codec.ts";
import { ErrorCode, MessageType, maxUint32 } from "./constants.ts";
import { BgpPacketError, type DecodeFailure, decodeFailure, requireInteger } from "./errors.ts";
import { buildMessage } from "./header.ts";
import type { DecodeResult, OpenMessage } from "./message.ts";
import type { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

const bgpVersion = 4;

/** Optional parameter types (RFC 5492 §4, RFC 9072 §2). */
const ParameterType = { capabilities: 2, extendedLength: 255 } as const;

/** Subcodes of 2 (RFC 4271 §6.2). */
const OpenSubcode = {
  unspecific: 0,
  unsupportedVersion: 1,
  badPeerAs: 2,
  badIdentifier: 3,
  unsupportedParameter: 4,
  unacceptableHoldTime: 6,
} as const;

/** The body of an OPEN (RFC 4271 §4.2), with all checks of §6.2 that need no configuration. */
export function decodeOpen(body: Reader): DecodeResult<OpenMessage> {
  const version = body.u8();
  const myAs = body.u16();
  const holdTimeSec = body.u16();
  const bgpIdentifier = body.u32();
  if (version !== bgpVersion)
    return openFailure("unsupportedVersion", `BGP version ${version} is not ${bgpVersion}`, new Uint8Array([0, 4]));
  if (myAs === 0)
    return openFailure("badPeerAs", "My Autonomous System is 0 (RFC 7607)", new Writer().u16(myAs).toBytes());
  if (bgpIdentifier === 0)
    return openFailure("badIdentifier", "the BGP identifier is 0", new Writer().u32(bgpIdentifier).toBytes());
  if (holdTimeSec === 1 || holdTimeSec === 2)
    return openFailure(
      "unacceptableHoldTime",
      `a hold time of ${holdTimeSec} s is neither 0 nor at least 3 s`,
      new Writer().u16(holdTimeSec).toBytes(),
    );
  const capabilities: Capability[] = [];
  const failure = decodeParameters(body, capabilities) ?? checkFourOctetAs(capabilities);
  if (failure !== undefined) return failure;
  return { ok: true, message: { type: "open", version, myAs, holdTimeSec, bgpIdentifier, capabilities } };
}

function decodeParameters(body: Reader, capabilities: Capability[]): DecodeFailure | undefined {
  let length = body.u8();
  // RFC 9072 §2: any non-zero length with 255 as the first parameter type announces the extended form.
  const extended = length !== 0 && body.peek() === ParameterType.extendedLength;
  if (extended) {
    body.u8();
    length = body.u16();
  }
  if (body.overran || length !== body.remaining)
    return openFailure(
      "unspecific",
      `the optional parameters have ${body.remaining} octets, but their length field says ${length}`,
    );
  const parameters = body.take(length);
  while (parameters.remaining > 0) {
    const type = parameters.u8();
    const parameterLength = extended ? parameters.u16() : parameters.u8();
    const value = parameters.take(parameterLength);
    if (parameters.overran) return openFailure("unspecific", `optional parameter ${type} is cut off`);
    if (type !== ParameterType.capabilities)
      return openFailure(
        "unsupportedParameter",
        `optional parameter ${type} is unknown`,
        new Writer().u8(type).u8(value.remaining).bytes(value.copyRest()).toBytes(),
      );
    const failure = decodeCapabilities(value, capabilities);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function decodeCapabilities(parameter: Reader, capabilities: Capability[]): DecodeFailure | undefined {
  while (parameter.remaining > 0) {
    const code = parameter.u8();
    const value = parameter.take(parameter.u8());
    if (parameter.overran) return openFailure("unspecific", `capability ${code} is cut off`);
    const capability = decodeCapability(code, value);
    if (capability === "malformed")
      return openFailure("unspecific", `capability ${code} has the wrong length`, value.copyAll());
    if (capability !== "ignored") capabilities.push(capability);
  }
  return undefined;
}

/** RFC 7607: no AS 0. Two capabilities that contradict each other leave no way to know the peer's AS. */
function checkFourOctetAs(capabilities: readonly Capability[]): DecodeFailure | undefined {
  let first: number | undefined;
  for (const capability of capabilities) {
    if (capability.kind !== "four-octet-as") continue;
    const { asNumber } = capability;
    const data = () => new Writer().u32(asNumber).toBytes();
    if (asNumber === 0) return openFailure("badPeerAs", "the four-octet AS capability says AS 0 (RFC 7607)", data());
    if (first !== undefined && first !== asNumber)
      return openFailure("badPeerAs", `two four-octet AS capabilities differ: ${first} and ${asNumber}`, data());
    first = asNumber;
  }
  return undefined;
}

function openFailure(subcode: keyof typeof OpenSubcode, reason: string, data?: Uint8Array): DecodeFailure {
  return decodeFailure(ErrorCode.open, OpenSubcode[subcode], reason, data);
}

/**
 * A whole OPEN. All capabilities go into one parameter, in the form of RFC 9072 if they exceed 253 octets.
 * Throws `VALUE_OUT_OF_RANGE` or `MESSAGE_TOO_LARGE`.
 */
export function encodeOpen(open: Omit<OpenMessage, "type">): Uint8Array {
  requireInteger("version", open.version, bgpVersion, bgpVersion);
  requireInteger("myAs", open.myAs, 1, 65535);
  requireInteger("bgpIdentifier", open.bgpIdentifier, 1, maxUint32);
  requireInteger("holdTimeSec", open.holdTimeSec, 0, 65535);
  if (open.holdTimeSec === 1 || open.holdTimeSec === 2)
    throw new BgpPacketError("VALUE_OUT_OF_RANGE", `holdTimeSec is ${open.holdTimeSec}; it must be 0 or at least 3`, {
      field: "holdTimeSec",
      value: open.holdTimeSec,
    });
  const body = new Writer().u8(open.version).u16(open.myAs).u16(open.holdTimeSec).u32(open.bgpIdentifier);
  const capabilities = new Writer();
  for (const capability of open.capabilities) encodeCapability(capabilities, capability);
  const value = capabilities.toBytes();
  if (value.length === 0) body.u8(0);
  else if (value.length <= 253)
    body
      .u8(value.length + 2)
      .u8(ParameterType.capabilities)
      .u8(value.length);
  else {
    body
      .u8(255)
      .u8(ParameterType.extendedLength)
      .u16(value.length + 3);
    body.u8(ParameterType.capabilities).u16(value.length);
  }
  return buildMessage(MessageType.open, [body.bytes(value).toBytes()]);
}
