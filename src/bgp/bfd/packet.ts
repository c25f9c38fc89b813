/** States of a session (RFC 5880 §4.1), by their number on the wire. */
const bfdStates = ["AdminDown", "Down", "Init", "Up"] as const;

export type BfdState = (typeof bfdStates)[number];

/** Why a session last left Up (RFC 5880 §4.1). */
export const Diagnostic = {
  none: 0,
  detectionTimeExpired: 1,
  neighborSignaledDown: 3,
  administrativelyDown: 7,
} as const;

const diagnosticTexts = [
  "no diagnostic",
  "control detection time expired",
  "echo function failed",
  "neighbor signaled session down",
  "forwarding plane reset",
  "path down",
  "concatenated path down",
  "administratively down",
  "reverse concatenated path down",
];

/** A diagnostic code in words. */
export function diagnosticText(code: number): string {
  return diagnosticTexts[code] ?? `diagnostic ${code}`;
}

/** A BFD control packet (RFC 5880 §4.1) without authentication; intervals in microseconds. */
export interface BfdControlPacket {
  readonly diagnostic: number;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  /** The sender's BFD does not share fate with its control plane. */
  readonly controlPlaneIndependent: boolean;
  readonly demand: boolean;
  readonly detectMultiplier: number;
  readonly myDiscriminator: number;
  readonly yourDiscriminator: number;
  readonly desiredMinTxUs: number;
  readonly requiredMinRxUs: number;
  readonly requiredMinEchoRxUs: number;
}

const version = 1;
const mandatoryOctets = 24;
const flag = {
  poll: 0x20,
  final: 0x10,
  controlPlaneIndependent: 0x08,
  authentication: 0x04,
  demand: 0x02,
  multipoint: 0x01,
};

/** The 24 octets of a packet. */
export function encodeControlPacket(packet: BfdControlPacket): Uint8Array {
  const bytes = new Uint8Array(mandatoryOctets);
  const view = new DataView(bytes.buffer);
  bytes[0] = (version << 5) | packet.diagnostic;
  bytes[1] =
    (bfdStates.indexOf(packet.state) << 6) |
    (packet.poll ? flag.poll : 0) |
    (packet.final ? flag.final : 0) |
    (packet.controlPlaneIndependent ? flag.controlPlaneIndependent : 0) |
    (packet.demand ? flag.demand : 0);
  bytes[2] = packet.detectMultiplier;
  bytes[3] = mandatoryOctets;
  view.setUint32(4, packet.myDiscriminator);
  view.setUint32(8, packet.yourDiscriminator);
  view.setUint32(12, packet.desiredMinTxUs);
  view.setUint32(16, packet.requiredMinRxUs);
  view.setUint32(20, packet.requiredMinEchoRxUs);
  return bytes;
}

/**
 * Reads a packet with the checks of RFC 5880 §6.8.6 that need no session. A string says why it must be discarded.
 * Octets behind the packet's own length are ignored.
 */
export function decodeControlPacket(bytes: Uint8Array): BfdControlPacket | string {
  if (bytes.length < mandatoryOctets) return `${bytes.length} octets are shorter than a control packet`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [first, flags, detectMultiplier, length] = [0, 1, 2, 3].map((at) => view.getUint8(at)) as [
    number,
    number,
    number,
    number,
  ];
  if (first >> 5 !== version) return `version is ${first >> 5}, not ${version}`;
  if (length < mandatoryOctets || length > bytes.length)
    return `length field ${length} does not fit ${bytes.length} octets`;
  if ((flags & flag.authentication) !== 0) return "it is authenticated, and authentication is not configured";
  if ((flags & flag.multipoint) !== 0) return "the multipoint bit is set";
  if (detectMultiplier === 0) return "detect multiplier is 0";
  const state = bfdStates[flags >> 6] ?? "AdminDown";
  const myDiscriminator = view.getUint32(4);
  const yourDiscriminator = view.getUint32(8);
  if (myDiscriminator === 0) return "my discriminator is 0";
  if (yourDiscriminator === 0 && state !== "Down" && state !== "AdminDown")
    return `your discriminator is 0 in state ${state}`;
  return {
    diagnostic: first & 0x1f,
    state,
    poll: (flags & flag.poll) !== 0,
    final: (flags & flag.final) !== 0,
    controlPlaneIndependent: (flags & flag.controlPlaneIndependent) !== 0,
    demand: (flags & flag.demand) !== 0,
    detectMultiplier,
    myDiscriminator,
    yourDiscriminator,
    desiredMinTxUs: view.getUint32(12),
    requiredMinRxUs: view.getUint32(16),
    requiredMinEchoRxUs: view.getUint32(20),
  };
}
