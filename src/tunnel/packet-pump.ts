import { constants } from "node:os";
import { PacketBuffers } from "../sys/packet-buffers.ts";
import { type CarrierWire, counterNames, type TunnelEnd } from "./messages.ts";
import {
  checkInner,
  type DropReason,
  decapsulate,
  describeForDevice,
  deviceHeaderBytes,
  dropReasons,
  encapsulate,
  headerBytes,
} from "./packet.ts";
import type { TunnelRouteTable } from "./route-table.ts";

const { EAGAIN, EMSGSIZE, ENOBUFS, ENOMEM, ENETUNREACH, EHOSTUNREACH, ENETDOWN } = constants.errno;

/** Packets of one batch. */
const SLOTS = 64;
/** The largest IPv4 packet with its outer header, or with the device's. */
const SLOT_BYTES = 65_536 + headerBytes;
const SENT = counterNames.indexOf("sent");
const RECEIVED = counterNames.indexOf("received");

/** Position of a reason's counter. */
const dropIndex = Object.fromEntries(
  dropReasons.map((reason, index) => [reason, counterNames.length + index]),
) as Record<DropReason, number>;

interface PacketPumpOptions {
  /** As in ForwarderSetup. */
  readonly wire: CarrierWire;
  readonly socketFd: number;
  readonly routes: TunnelRouteTable;
  /** Whether packets in UDP are accepted from this address, to which no route leads. */
  readonly isPeer: (address: number) => boolean;
  /** As in ForwarderSetup. */
  readonly counters: Float64Array;
  /** No route leads to a packet's destination: whoever knows of new ones may add them now. */
  readonly onMiss: () => void;
}

/** Carries packets between the TUN device and the socket, a batch at a time. Never throws because of a packet. */
export class PacketPump {
  readonly #wire: CarrierWire;
  readonly #socketFd: number;
  readonly #routes: TunnelRouteTable;
  readonly #counters: Float64Array;
  readonly #isPeer: (address: number) => boolean;
  readonly #onMiss: () => void;
  readonly #outgoing = new PacketBuffers(SLOTS, SLOT_BYTES);
  readonly #incoming = new PacketBuffers(SLOTS, SLOT_BYTES);

  constructor(options: PacketPumpOptions) {
    this.#wire = options.wire;
    this.#socketFd = options.socketFd;
    this.#isPeer = options.isPeer;
    this.#routes = options.routes;
    this.#counters = options.counters;
    this.#onMiss = options.onMiss;
  }

  /** From the device to the network. "more" if the batch was full, "gone" if the device has been deleted. */
  send({ tunFd, pmtuDiscovery }: TunnelEnd): "more" | "empty" | "gone" {
    let prepared = 0;
    let slot = 0;
    let end: "more" | "empty" | "gone" = "more";
    for (; slot < SLOTS; slot++) {
      const inner = slot * SLOT_BYTES + headerBytes;
      const length = this.#outgoing.read(tunFd, inner - deviceHeaderBytes, SLOT_BYTES - deviceHeaderBytes);
      if (length < 0) {
        end = length === -EAGAIN ? "empty" : "gone";
        break;
      }
      if (this.#prepare(prepared, inner, length - deviceHeaderBytes, pmtuDiscovery)) prepared++;
    }
    this.#flush(prepared);
    return end;
  }

  /** From the network to the device, one batch. */
  receive({ tunFd, mtu }: TunnelEnd): void {
    const incoming = this.#incoming;
    const count = incoming.receive(this.#socketFd, headerBytes);
    for (let slot = 0; slot < count; slot++) {
      const inner = this.#unpack(slot);
      if (typeof inner === "string") {
        this.#drop(inner);
        continue;
      }
      const length = incoming.view.getUint16(inner + 2, false);
      describeForDevice(incoming.view, inner, mtu);
      const written = incoming.write(tunFd, inner - deviceHeaderBytes, length + deviceHeaderBytes);
      if (written < 0) this.#drop(dropReasonOf(-written));
      else this.#add(RECEIVED, 1);
    }
  }

  /** Where the packet begins that came in a slot, or what is wrong with it. */
  #unpack(slot: number): number | DropReason {
    const { view } = this.#incoming;
    // Room before the packet is for the device's header.
    const at = slot * SLOT_BYTES + headerBytes;
    const length = this.#incoming.receivedLength(slot);
    if (this.#wire.kind === "ipip") return decapsulate(view, at, length);
    const sender = this.#incoming.receivedFrom(slot);
    if (!this.#routes.leadsTo(sender) && !this.#isPeer(sender)) return "foreign";
    return checkInner(view, at, length) ?? at;
  }

  /** Makes the packet at `inner` the next message to be sent; false if it goes nowhere. */
  #prepare(index: number, inner: number, length: number, dontFragment: boolean): boolean {
    const { view } = this.#outgoing;
    const problem = checkInner(view, inner, length);
    if (problem !== undefined) {
      this.#drop(problem);
      return false;
    }
    const source = view.getUint32(inner + 12, false);
    const destination = view.getUint32(inner + 16, false);
    const nodes = this.#routes.lookup(destination) ?? this.#lookUpAgain(destination);
    if (nodes === undefined) {
      this.#drop("noRoute");
      return false;
    }
    const node = nodes[nodes.length === 1 ? 0 : flowHash(source, destination) % nodes.length] ?? 0;
    const total = view.getUint16(inner + 2, false);
    if (this.#wire.kind === "udp") this.#outgoing.prepare(index, inner, total, node, this.#wire.port);
    else {
      encapsulate(view, inner, node, dontFragment);
      this.#outgoing.prepare(index, inner - headerBytes, total + headerBytes, node);
    }
    return true;
  }

  #lookUpAgain(destination: number): Uint32Array | undefined {
    this.#onMiss();
    return this.#routes.lookup(destination);
  }

  #flush(count: number): void {
    let next = 0;
    while (next < count) {
      const taken = this.#outgoing.send(this.#socketFd, next, count);
      if (taken > 0) {
        this.#add(SENT, taken);
        next += taken;
      } else {
        // Of the one that was refused; the others may have another destination.
        this.#drop(dropReasonOf(-taken));
        next++;
      }
    }
  }

  #drop(reason: DropReason): void {
    this.#add(dropIndex[reason], 1);
  }

  #add(counter: number, count: number): void {
    this.#counters[counter] = (this.#counters[counter] ?? 0) + count;
  }
}

function dropReasonOf(errno: number): DropReason {
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
