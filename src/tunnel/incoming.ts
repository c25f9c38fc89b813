import { MessageBatch } from "../sys/message-batch.ts";
import { IOVEC_BYTES, PacketMemory } from "../sys/packet-memory.ts";
import { Coalescer } from "./coalescer.ts";
import type { PacketCounters } from "./counters.ts";
import type { CarrierWire, TunnelEnd } from "./messages.ts";
import { dropReasonOf } from "./outgoing.ts";
import { checkInner, decapsulate } from "./packet.ts";
import type { TunnelRouteTable } from "./route-table.ts";

/** Packets of one batch. */
const SLOTS = 64;
/** The largest IPv4 packet, in a multiple of 16. */
const SLOT_BYTES = 65_552;
const HEADERS_AT = SLOTS * SLOT_BYTES;
/** The most parts that the coalescer makes of one packet. */
const PARTS = 72;

interface IncomingOptions {
  /** As in ForwarderSetup. */
  readonly wire: CarrierWire;
  readonly socketFd: number;
  readonly routes: TunnelRouteTable;
  /** Whether packets in UDP are accepted from this address, to which no route leads. */
  readonly isPeer: (address: number) => boolean;
  readonly counters: PacketCounters;
}

/** Carries packets from the socket to the TUN device, a batch at a time. Never throws because of a packet. */
export class Incoming {
  readonly #options: IncomingOptions;
  readonly #memory = new PacketMemory(HEADERS_AT + Coalescer.headersBytes);
  readonly #batch = new MessageBatch(this.#memory, { messages: SLOTS, vectors: SLOTS });
  readonly #vectors = new PacketMemory(PARTS * IOVEC_BYTES);
  readonly #coalescer = new Coalescer(this.#memory, HEADERS_AT, (parts, packets) => this.#write(parts, packets));
  #tunFd = -1;

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  receive({ tunFd, mtu }: TunnelEnd): void {
    this.#tunFd = tunFd;
    this.#coalescer.begin(mtu);
    const count = this.#batch.receive(this.#options.socketFd, SLOT_BYTES);
    for (let slot = 0; slot < count; slot++) {
      const length = this.#batch.receivedLength(slot);
      if (this.#options.wire.kind === "ipip") this.#takeIpip(slot * SLOT_BYTES, length);
      else this.#takeUdp(slot, length);
    }
    this.#coalescer.flush();
  }

  #takeIpip(at: number, length: number): void {
    const { view } = this.#memory;
    const inner = decapsulate(view, at, length);
    if (typeof inner === "string") this.#options.counters.dropped(inner);
    else this.#coalescer.add(inner, view.getUint16(inner + 2, false));
  }

  #takeUdp(slot: number, length: number): void {
    const { routes, isPeer, counters } = this.#options;
    const sender = this.#batch.receivedFrom(slot);
    const segment = this.#batch.receivedSegmentBytes(slot) || length;
    const isForeign = !routes.leadsTo(sender) && !isPeer(sender);
    let offset = 0;
    do {
      const at = slot * SLOT_BYTES + offset;
      const problem = isForeign ? "foreign" : checkInner(this.#memory.view, at, Math.min(segment, length - offset));
      if (problem === undefined) this.#coalescer.add(at, this.#memory.view.getUint16(at + 2, false));
      else counters.dropped(problem);
      offset += segment;
    } while (offset < length);
  }

  #write(parts: readonly number[], packets: number): void {
    for (let part = 0; part < parts.length; part += 2)
      this.#vectors.setVector((part / 2) * IOVEC_BYTES, this.#memory, parts[part] ?? 0, parts[part + 1] ?? 0);
    const written = this.#vectors.writeVectors(this.#tunFd, 0, parts.length / 2);
    if (written < 0) this.#options.counters.dropped(dropReasonOf(-written), packets);
    else this.#options.counters.received(packets);
  }
}
