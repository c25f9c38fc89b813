import { constants } from "node:os";
import { MessageBatch } from "../sys/message-batch.ts";
import { PacketMemory } from "../sys/packet-memory.ts";
import type { PacketCounters } from "./counters.ts";
import { completeChecksum, deviceHeaderBytes, segmentBytes } from "./device-header.ts";
import type { CarrierWire, TunnelEnd } from "./messages.ts";
import { checkInner, DONT_FRAGMENT, type DropReason, encapsulate, headerBytes } from "./packet.ts";
import type { PathMtus } from "./path-mtus.ts";
import { tcpHeadersLength, writeFragmentHeader, writeSegmentHeaders } from "./pieces.ts";
import type { TunnelRouteTable } from "./route-table.ts";
import { answerBytes, writeTooBig } from "./too-big.ts";

const { EAGAIN, EINVAL, EIO, EMSGSIZE, ENOBUFS, ENOMEM, ENETUNREACH, EHOSTUNREACH, ENETDOWN } = constants.errno;

/** Packets of one batch, fewer if they are large. */
const BATCH_PACKETS = 128;
/** Before a packet, so that it lies at a multiple of 16: the device's header, over which the outer one may be written. */
const HEADROOM = 32;
const LARGEST_PACKET = 65_535;
const READ_BYTES = 512 * 1024;
const MESSAGES = 256;
/** Of one batch; each has the headers of one piece, and the outer one. */
const HEADER_PLACES = 1024;
const HEADER_PLACE_BYTES = 160;
const HEADERS_AT = READ_BYTES;
const ANSWER_AT = HEADERS_AT + HEADER_PLACES * HEADER_PLACE_BYTES;
/** What Linux cuts one message into at most (before 6.9), and how large that may be. */
const UDP_SEGMENTS = 64;
const LARGEST_UDP = 65_507;

/** What the tunnel adds to a packet, in octets. */
const overhead = { ipip: headerBytes, udp: headerBytes + 8 } as const;

interface OutgoingOptions {
  /** As in ForwarderSetup. */
  readonly wire: CarrierWire;
  readonly socketFd: number;
  readonly replyFd: number;
  readonly routes: TunnelRouteTable;
  readonly pathMtus: PathMtus;
  readonly counters: PacketCounters;
  /** No route leads to a packet's destination: whoever knows of new ones may add them now. */
  readonly onMiss: () => void;
}

/** Carries packets from the TUN device to the socket, a batch at a time. Never throws because of a packet. */
export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #memory = new PacketMemory(ANSWER_AT + answerBytes + (8 - (answerBytes % 8)));
  readonly #batch = new MessageBatch(this.#memory, { messages: MESSAGES, vectors: 2 * HEADER_PLACES });
  readonly #answer = new MessageBatch(this.#memory, { messages: 1, vectors: 1 });
  /** Of each message of the batch: where it goes, the packet that it is or is made of, and how many pieces it is. */
  readonly #nodes = new Uint32Array(MESSAGES);
  readonly #packets = new Uint32Array(MESSAGES);
  readonly #pieces = new Uint16Array(MESSAGES);
  #headers = 0;
  /** What the tunnel adds, and whether outer packets must not be cut; of the device's use. */
  #discoversPathMtu = false;
  /** The kernel cuts messages into datagrams. Not every device can do it with checksums. */
  #cuts: boolean;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#cuts = options.wire.kind === "udp" && options.wire.segments;
  }

  /** "more" if the batch was full, "gone" if the device has been deleted. */
  send({ tunFd, pmtuDiscovery }: TunnelEnd): "more" | "empty" | "gone" {
    this.#discoversPathMtu = pmtuDiscovery;
    let end: "more" | "empty" | "gone" = "more";
    let at = HEADROOM;
    for (let packet = 0; packet < BATCH_PACKETS && at + LARGEST_PACKET <= READ_BYTES; packet++) {
      const header = at - deviceHeaderBytes;
      const length = this.#memory.read(tunFd, header, LARGEST_PACKET + deviceHeaderBytes);
      if (length < 0) {
        end = length === -EAGAIN ? "empty" : "gone";
        break;
      }
      const problem = this.#prepare(at, length - deviceHeaderBytes, header);
      if (problem !== undefined) this.#options.counters.dropped(problem);
      at = (at + length + HEADROOM + 15) & ~15;
    }
    this.#flush();
    return end;
  }

  /** Makes messages of the packet at `at`; if it goes nowhere, returns why. */
  #prepare(at: number, length: number, header: number): DropReason | undefined {
    const { view } = this.#memory;
    const problem = checkInner(view, at, length);
    if (problem !== undefined) return problem;
    const source = view.getUint32(at + 12, false);
    const destination = view.getUint32(at + 16, false);
    const nodes = this.#options.routes.lookup(destination) ?? this.#lookUpAgain(destination);
    if (nodes === undefined) return "noRoute";
    const node = nodes[nodes.length === 1 ? 0 : flowHash(source, destination) % nodes.length] ?? 0;
    const total = view.getUint16(at + 2, false);
    const limit = this.#options.pathMtus.limit(node) - overhead[this.#options.wire.kind];
    const segment = segmentBytes(view, header);
    if (segment === 0) {
      completeChecksum(this.#memory, header, at, total);
      if (total <= limit) this.#addWhole(at, total, node);
      else return this.#addTooLarge(at, total, node, limit);
      return undefined;
    }
    const headers = tcpHeadersLength(view, at);
    if (headers > total || headers > HEADER_PLACE_BYTES - headerBytes) return "malformed";
    if (headers + segment <= limit) this.#addSegments(at, total, node, { headers, segment });
    else if (this.#mayCut(at) && limit > headers)
      this.#addSegments(at, total, node, { headers, segment: limit - headers });
    else return this.#refuse(at, limit);
    return undefined;
  }

  #lookUpAgain(destination: number): Uint32Array | undefined {
    this.#options.onMiss();
    return this.#options.routes.lookup(destination);
  }

  #mayCut(at: number): boolean {
    return (this.#memory.view.getUint16(at + 6, false) & DONT_FRAGMENT) === 0;
  }

  #addTooLarge(at: number, total: number, node: number, limit: number): DropReason | undefined {
    if (!this.#mayCut(at)) return this.#refuse(at, limit);
    // Without path MTU discovery UDP's outer packet is cut; one with its own header the kernel refuses if it is larger than its
    // device takes, so that those are cut in any case.
    if (!this.#discoversPathMtu && this.#options.wire.kind === "udp") this.#addWhole(at, total, node);
    else if (!this.#addFragments(at, total, node, limit)) return "tooBig";
    return undefined;
  }

  /** Tells the sender of the packet at `at` how large packets may be. */
  #refuse(at: number, limit: number): "tooBig" {
    const length = writeTooBig(this.#memory, at, ANSWER_AT, limit);
    if (length === 0) return "tooBig";
    this.#answer.clear();
    this.#answer.begin(this.#memory.view.getUint32(at + 12, false), 0, 0);
    this.#answer.add(ANSWER_AT, length);
    this.#answer.send(this.#options.replyFd, 0);
    return "tooBig";
  }

  #addWhole(at: number, total: number, node: number): void {
    this.#begin(at, node, 1, 1);
    if (this.#options.wire.kind === "udp") this.#batch.add(at, total);
    else {
      encapsulate(this.#memory.view, at, node, this.#discoversPathMtu);
      this.#batch.add(at - headerBytes, headerBytes + total);
    }
  }

  #addSegments(
    at: number,
    total: number,
    node: number,
    { headers, segment }: { readonly headers: number; readonly segment: number },
  ): void {
    const payload = total - headers;
    const count = Math.max(1, Math.ceil(payload / segment));
    const perMessage = this.#cuts ? Math.min(UDP_SEGMENTS, Math.floor(LARGEST_UDP / (headers + segment))) : 1;
    for (let index = 0; index < count; index++) {
      const offset = index * segment;
      const length = Math.min(segment, payload - offset);
      if (index % perMessage === 0) {
        const pieces = Math.min(perMessage, count - index);
        this.#begin(at, node, pieces, 2 * pieces, pieces > 1 ? headers + segment : 0);
      }
      const to = this.#takeHeaderPlace();
      writeSegmentHeaders(this.#memory, { from: at, to, headers }, { index, offset, length, total: payload });
      this.#addPiece(to, headers, at + headers + offset, length, node);
    }
  }

  /** False if that cannot be, which nobody needs: with options in the header, or less room than for eight octets. */
  #addFragments(at: number, total: number, node: number, limit: number): boolean {
    const size = (limit - headerBytes) & ~7;
    if (this.#memory.view.getUint8(at) !== 0x45 || size <= 0) return false;
    const payload = total - headerBytes;
    for (let offset = 0; offset < payload; offset += size) {
      const length = Math.min(size, payload - offset);
      this.#begin(at, node, 1, 2);
      const to = this.#takeHeaderPlace();
      const isLast = offset + length === payload;
      writeFragmentHeader(this.#memory, { from: at, to }, { offset, length, isLast });
      this.#addPiece(to, headerBytes, at + headerBytes + offset, length, node);
    }
    return true;
  }

  #addPiece(to: number, headers: number, from: number, length: number, node: number): void {
    if (this.#options.wire.kind === "udp") this.#batch.add(to, headers);
    else {
      encapsulate(this.#memory.view, to, node, this.#discoversPathMtu);
      this.#batch.add(to - headerBytes, headerBytes + headers);
    }
    this.#batch.add(from, length);
  }

  /** Begins a message of so many pieces and parts, for which there is room afterwards. */
  #begin(packet: number, node: number, pieces: number, parts: number, segment = 0): void {
    if (!this.#batch.hasRoom(parts) || this.#headers + pieces > HEADER_PLACES) this.#flush();
    const { wire } = this.#options;
    const index = this.#batch.count;
    this.#nodes[index] = node;
    this.#packets[index] = packet;
    this.#pieces[index] = pieces;
    this.#batch.begin(node, wire.kind === "udp" ? wire.port : 0, segment);
  }

  /** Room for the headers of a piece, and before them for the outer one. */
  #takeHeaderPlace(): number {
    return HEADERS_AT + this.#headers++ * HEADER_PLACE_BYTES + headerBytes;
  }

  #flush(): void {
    const { socketFd, counters } = this.#options;
    let next = 0;
    while (next < this.#batch.count) {
      const taken = this.#batch.send(socketFd, next);
      if (taken > 0) {
        for (let index = next; index < next + taken; index++) counters.sent(this.#pieces[index] ?? 0);
        next += taken;
      } else {
        // Of the one that was refused; the others may have another destination.
        counters.dropped(this.#refused(next, -taken), this.#pieces[next]);
        next++;
      }
    }
    this.#batch.clear();
    this.#headers = 0;
  }

  #refused(index: number, errno: number): DropReason {
    const isCut = (this.#pieces[index] ?? 0) > 1;
    if (isCut && errno === EIO) {
      this.#cuts = false;
      return "refused";
    }
    if (errno !== EMSGSIZE && !(isCut && errno === EINVAL)) return dropReasonOf(errno);
    const { pathMtus, wire } = this.#options;
    const limit = pathMtus.learn(this.#nodes[index] ?? 0) - overhead[wire.kind];
    const packet = this.#packets[index] ?? 0;
    return Number.isFinite(limit) && limit > 0 && !this.#mayCut(packet) ? this.#refuse(packet, limit) : "tooBig";
  }
}

/** Why a packet got nowhere that the kernel refused. */
export function dropReasonOf(errno: number): DropReason {
  if (errno === EMSGSIZE) return "tooBig";
  if (errno === EAGAIN || errno === ENOBUFS || errno === ENOMEM) return "congested";
  if (errno === ENETUNREACH || errno === EHOSTUNREACH || errno === ENETDOWN) return "unreachable";
  return "refused";
}

/** All packets between two addresses go the same way, so that none overtakes another. */
function flowHash(source: number, destination: number): number {
  const mixed = Math.imul(source ^ Math.imul(destination, 0x9e3779b1), 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
