import type { PacketMemory } from "../sys/packet-memory.ts";
import {
  describeForDevice,
  describeSegments,
  describeWhole,
  deviceHeaderBytes,
  hasRightChecksum,
  IPPROTO_TCP,
} from "./device-header.ts";
import { DONT_FRAGMENT, FRAGMENT, headerBytes, writeLength } from "./packet.ts";

const ACK = 0x10;
const PSH = 0x08;
const LARGEST_PACKET = 65_535;
/** Flows whose packets may be mixed. */
const FLOWS = 8;
const LARGEST_RUN = 64;
const PLACE_BYTES = 16;

/** Gives packets to the device: of each part, where it lies and its length. Returns what went wrong. */
export type PacketWriter = (parts: readonly number[], packets: number) => void;

/** Segments of a TCP flow that follow each other without a gap. */
interface Run {
  /** Of the device's header. */
  readonly header: number;
  packet: number;
  headers: number;
  /** Payload of each segment but the last. */
  segment: number;
  length: number;
  nextSequence: number;
  nextIdentification: number;
  packets: number;
  pushes: boolean;
  parts: number[];
}

/**
 * Puts TCP segments that came in a batch together again, as the kernel's GRO does it, so that the device gets many with one
 * call. Nothing is copied. A packet never overtakes another one of its flow. Only segments with a right checksum are put
 * together, because the kernel makes that anew.
 */
export class Coalescer {
  readonly #memory: PacketMemory;
  readonly #write: PacketWriter;
  readonly #single: number;
  #idle: Run[] = [];
  #runs: Run[] = [];
  #mtu = 0;

  /** From `headersAt` on `Coalescer.headersBytes` of the memory are for the device's headers. */
  constructor(memory: PacketMemory, headersAt: number, write: PacketWriter) {
    this.#memory = memory;
    this.#write = write;
    this.#single = headersAt;
    for (let flow = 1; flow <= FLOWS; flow++)
      this.#idle.push({
        ...{ header: headersAt + flow * PLACE_BYTES, packet: 0, headers: 0, segment: 0, length: 0 },
        ...{ nextSequence: 0, nextIdentification: 0, packets: 0, pushes: false, parts: [] },
      });
  }

  static readonly headersBytes = (FLOWS + 1) * PLACE_BYTES;

  /** The packets of a device of this MTU follow. */
  begin(mtu: number): void {
    this.#mtu = mtu;
  }

  /** A packet of `length` octets that `checkInner` has found well. */
  add(packet: number, length: number): void {
    const { view } = this.#memory;
    const start = (view.getUint8(packet) & 15) * 4;
    const isTcp = view.getUint8(packet + 9) === IPPROTO_TCP && (view.getUint16(packet + 6, false) & FRAGMENT) === 0;
    if (!isTcp || length < start + 20 || start !== headerBytes) {
      // A fragment or a header with options may belong to any of the flows.
      if (view.getUint8(packet + 9) === IPPROTO_TCP) this.flush();
      this.#writeSingle(packet, length, false);
      return;
    }
    const run = this.#runs.find((each) => isSameFlow(view, each.packet, packet));
    const headers = start + (view.getUint8(packet + start + 12) >> 4) * 4;
    const flags = view.getUint8(packet + start + 13);
    const canMerge =
      headers >= start + 20 &&
      headers < length &&
      length <= this.#mtu &&
      (flags & ~PSH) === ACK &&
      hasRightChecksum(this.#memory, packet, length);
    if (run !== undefined && canMerge && this.#continues(run, packet, headers, length)) {
      this.#append(run, packet, headers, length, flags);
      return;
    }
    if (run !== undefined) this.#end(run);
    if (canMerge && (flags & PSH) === 0) this.#open(packet, headers, length);
    else this.#writeSingle(packet, length, canMerge);
  }

  /** Nothing stays here. */
  flush(): void {
    while (this.#runs[0] !== undefined) this.#end(this.#runs[0]);
  }

  #continues(run: Run, packet: number, headers: number, length: number): boolean {
    const { view } = this.#memory;
    const first = run.packet;
    return (
      run.headers === headers &&
      run.packets < LARGEST_RUN &&
      length - headers <= run.segment &&
      run.length + length - headers <= LARGEST_PACKET &&
      view.getUint32(packet + 24, false) === run.nextSequence &&
      view.getUint16(packet, false) === view.getUint16(first, false) &&
      view.getUint16(packet + 6, false) === view.getUint16(first + 6, false) &&
      ((view.getUint16(packet + 6, false) & DONT_FRAGMENT) !== 0 ||
        view.getUint16(packet + 4, false) === run.nextIdentification) &&
      view.getUint8(packet + 8) === view.getUint8(first + 8) &&
      // Acknowledgement, window and options.
      view.getUint32(packet + 28, false) === view.getUint32(first + 28, false) &&
      view.getUint16(packet + 34, false) === view.getUint16(first + 34, false) &&
      this.#hasSameOptions(first, packet, headers)
    );
  }

  #hasSameOptions(first: number, packet: number, headers: number): boolean {
    const { view } = this.#memory;
    for (let at = 40; at < headers; at += 4)
      if (view.getUint32(first + at, false) !== view.getUint32(packet + at, false)) return false;
    return true;
  }

  #open(packet: number, headers: number, length: number): void {
    const run = this.#idle.pop() ?? this.#reuseOldest();
    const { view } = this.#memory;
    run.packet = packet;
    run.headers = headers;
    run.segment = length - headers;
    run.length = length;
    run.nextSequence = (view.getUint32(packet + 24, false) + run.segment) >>> 0;
    run.nextIdentification = (view.getUint16(packet + 4, false) + 1) & 0xffff;
    run.packets = 1;
    run.pushes = false;
    run.parts = [run.header, deviceHeaderBytes, packet, length];
    this.#runs.push(run);
  }

  #reuseOldest(): Run {
    const [oldest] = this.#runs;
    if (oldest === undefined) throw new TypeError("there are neither idle nor used runs");
    this.#end(oldest);
    this.#idle.pop();
    return oldest;
  }

  #append(run: Run, packet: number, headers: number, length: number, flags: number): void {
    const payload = length - headers;
    run.parts.push(packet + headers, payload);
    run.length += payload;
    run.packets++;
    run.nextSequence = (run.nextSequence + payload) >>> 0;
    run.nextIdentification = (run.nextIdentification + 1) & 0xffff;
    run.pushes = (flags & PSH) !== 0;
    if (run.pushes || payload < run.segment) this.#end(run);
  }

  #end(run: Run): void {
    const { view } = this.#memory;
    this.#runs = this.#runs.filter((each) => each !== run);
    this.#idle.push(run);
    if (run.packets === 1) describeWhole(view, run.header, true);
    else {
      writeLength(view, run.packet, run.length);
      const flagsAt = run.packet + headerBytes + 13;
      if (run.pushes) view.setUint8(flagsAt, view.getUint8(flagsAt) | PSH);
      describeSegments(view, run.header, run.packet, run);
    }
    this.#write(run.parts, run.packets);
  }

  #writeSingle(packet: number, length: number, isVerified: boolean): void {
    const { view } = this.#memory;
    if (isVerified) describeWhole(view, this.#single, true);
    else describeForDevice(view, this.#single, packet, this.#mtu);
    this.#write([this.#single, deviceHeaderBytes, packet, length], 1);
  }
}

/** Of TCP without options in the IPv4 header: addresses and ports. */
function isSameFlow(view: DataView, left: number, right: number): boolean {
  return (
    view.getUint32(left + 20, false) === view.getUint32(right + 20, false) &&
    view.getUint32(left + 12, false) === view.getUint32(right + 12, false) &&
    view.getUint32(left + 16, false) === view.getUint32(right + 16, false)
  );
}
