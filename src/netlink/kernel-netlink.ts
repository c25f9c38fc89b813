import { setImmediate as nextTurn } from "node:timers/promises";
import type { IpAddress } from "../net/address.ts";
import type { PrefixIndex } from "../net/prefix-index.ts";
import { errnoName, errnoText } from "../sys/errno.ts";
import { decodeAddress, encodeAddressDump } from "./codec/address.ts";
import { messageFlag, messageType } from "./codec/constants.ts";
import { decodeLink } from "./codec/link-decoder.ts";
import { encodeLinkDump } from "./codec/link-encoder.ts";
import { isControl, type KernelAnswer, readMessages } from "./codec/message.ts";
import {
  decodeForwardingEntry,
  decodeNeighbour,
  encodeForwardingDump,
  encodeNeighbourDump,
} from "./codec/neighbour.ts";
import type { ByteReader } from "./codec/reader.ts";
import { decodeRoute } from "./codec/route-decoder.ts";
import { encodeRouteDump, encodeRouteLookup } from "./codec/route-encoder.ts";
import { RouteTemplates } from "./codec/route-template.ts";
import { MessageWriter } from "./codec/writer.ts";
import { NetlinkError } from "./errors.ts";
import { RouteBatch, type RouteWriter } from "./route-batch.ts";
import type { RefusedEntry } from "./slices.ts";
import { encodeSlice, refusedEntries, SLICE_REQUESTS, type Slice, sliceResults } from "./slices.ts";
import {
  type ForwardingDatabase,
  type ForwardingEntry,
  type InterfaceAddress,
  type KernelRoute,
  type Link,
  mainTable,
  type Neighbour,
  type NetlinkAccess,
  type NetlinkRequest,
  type NetlinkResult,
  type RouteFilter,
} from "./types.ts";
import type { BatchOutcome, QueryOutcome } from "./worker-messages.ts";

/** Slices on their way to the kernel: the worker must not starve, and memory must not grow with the batch. */
const MAX_SLICES_IN_FLIGHT = 4;
/** Under steady change of a table every dump may be interrupted; whoever asked can try again later. */
const MAX_DUMPS = 10;

const ENOENT = 2;
/** What a look-up fails with where packets would not be sent: a throw, prohibit, blackhole, no route, unreachable. */
const NO_ROUTE: readonly number[] = [11, 13, 22, 101, 113];

type Answer<Item> =
  | { readonly ok: true; readonly items: readonly Item[] }
  | { readonly ok: false; readonly refusal: KernelAnswer; readonly error: NetlinkError };

/** How a query is put to the kernel and what its answers are. */
interface Query<Item> {
  readonly what: string;
  readonly type: number;
  readonly flags: number;
  readonly encode: (writer: MessageWriter) => void;
  readonly decode: (payload: ByteReader) => Item | undefined;
}

/** The way to the kernel and back; RequestChannel says what the two calls mean. Byte arrays are given away. */
export interface KernelLink {
  exchange(bytes: Uint8Array<ArrayBuffer>, lastSequence: number): Promise<BatchOutcome>;
  query(bytes: Uint8Array<ArrayBuffer>, sequence: number): Promise<QueryOutcome>;
  close(): Promise<void>;
}

/** The network state of a real kernel: bytes are made and read here, and travel over a link. */
export class KernelNetlink implements NetlinkAccess, RouteWriter, ForwardingDatabase {
  readonly #link: KernelLink;
  readonly #templates = new RouteTemplates();
  #nextSequence = 1;

  constructor(link: KernelLink) {
    this.#link = link;
  }

  async execute(requests: readonly NetlinkRequest[]): Promise<readonly NetlinkResult[]> {
    const results: NetlinkResult[] = [];
    const inFlight: Promise<NetlinkResult[]>[] = [];
    const collect = async (): Promise<void> => {
      for (const result of (await inFlight.shift()) ?? []) results.push(result);
    };
    for (let start = 0; start < requests.length; ) {
      const slice = encodeSlice(requests, start, this.#takeSequences(SLICE_REQUESTS));
      start += slice.count;
      const sent = this.#send(slice);
      // The loop may stop at an earlier slice's failure, and then nobody else looks at this one's.
      sent.catch(() => {});
      inFlight.push(sent);
      if (inFlight.length >= MAX_SLICES_IN_FLIGHT) await collect();
      // Timers and sockets come first: a keepalive must not wait for a full table.
      if (start < requests.length) await nextTurn();
    }
    while (inFlight.length > 0) await collect();
    return results;
  }

  routeBatch(index: PrefixIndex): RouteBatch {
    return new RouteBatch(index, this.#templates, this.#takeSequences(SLICE_REQUESTS));
  }

  async writeRoutes(batch: RouteBatch): Promise<readonly RefusedEntry[]> {
    const slice = batch.finish();
    const outcome = slice.bytes.length === 0 ? undefined : await this.#link.exchange(slice.bytes, slice.lastSequence);
    return refusedEntries(slice, outcome);
  }

  async routes(filter: RouteFilter = {}): Promise<readonly KernelRoute[]> {
    const { table = mainTable, protocol } = filter;
    const routes: KernelRoute[] = [];
    for (const family of filter.family === undefined ? ([4, 6] as const) : [filter.family]) {
      // Kernels without strict checking (before 4.20) send everything.
      const matches = (route: KernelRoute): boolean =>
        route.table === table &&
        route.destination.family === family &&
        (protocol === undefined || route.protocol === protocol);
      const query: Query<KernelRoute> = {
        what: `IPv${family} routes of table ${table}`,
        type: messageType.getRoute,
        flags: messageFlag.dump,
        encode: (writer) => encodeRouteDump(writer, { ...filter, family, table }),
        decode: decodeRoute,
      };
      const answer = await this.#ask(query);
      // A table is only made with its first route.
      if (!answer.ok && answer.refusal.errno !== ENOENT) throw answer.error;
      if (answer.ok) for (const route of answer.items) if (matches(route)) routes.push(route);
    }
    return routes;
  }

  async routeTo(address: IpAddress): Promise<KernelRoute | undefined> {
    const answer = await this.#ask({
      what: `the route to ${address}`,
      type: messageType.getRoute,
      flags: messageFlag.acknowledge,
      encode: (writer) => encodeRouteLookup(writer, address),
      decode: (payload) => decodeRoute(payload, true),
    });
    if (!answer.ok) {
      // A text comes with requests that are wrong, which share EINVAL with blackholes.
      if (!NO_ROUTE.includes(answer.refusal.errno) || answer.refusal.text !== undefined) throw answer.error;
      return undefined;
    }
    const [route] = answer.items;
    // IPv6 answers with the unreachable entry itself.
    return route === undefined || route.nextHops.length === 0 ? undefined : route;
  }

  links(): Promise<readonly Link[]> {
    return this.#dump<Link>("links", messageType.getLink, encodeLinkDump, decodeLink);
  }

  addresses(): Promise<readonly InterfaceAddress[]> {
    return this.#dump<InterfaceAddress>("addresses", messageType.getAddress, encodeAddressDump, decodeAddress);
  }

  async neighbours(interfaceIndex?: number): Promise<readonly Neighbour[]> {
    const neighbours = await this.#dump<Neighbour>(
      interfaceIndex === undefined ? "neighbours" : `neighbours on interface ${interfaceIndex}`,
      messageType.getNeighbour,
      (writer) => encodeNeighbourDump(writer, interfaceIndex),
      decodeNeighbour,
    );
    // Kernels without strict checking (before 4.20) send everything.
    if (interfaceIndex === undefined) return neighbours;
    return neighbours.filter((neighbour) => neighbour.interfaceIndex === interfaceIndex);
  }

  async forwardingEntries(interfaceIndex: number): Promise<readonly ForwardingEntry[]> {
    const entries = await this.#dump<ForwardingEntry>(
      `forwarding entries of interface ${interfaceIndex}`,
      messageType.getNeighbour,
      (writer) => encodeForwardingDump(writer, interfaceIndex),
      decodeForwardingEntry,
    );
    return entries.filter((entry) => entry.interfaceIndex === interfaceIndex);
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  async #send(slice: Slice): Promise<NetlinkResult[]> {
    if (slice.bytes.length === 0) return sliceResults(slice, undefined);
    return sliceResults(slice, await this.#link.exchange(slice.bytes, slice.lastSequence));
  }

  async #dump<Item>(
    what: string,
    type: number,
    encode: Query<Item>["encode"],
    decode: Query<Item>["decode"],
  ): Promise<readonly Item[]> {
    const answer = await this.#ask({ what, type, flags: messageFlag.dump, encode, decode });
    if (!answer.ok) throw answer.error;
    return answer.items;
  }

  /** Puts a query until its answer is whole. Rejects with `DUMP_INTERRUPTED`, `MALFORMED_MESSAGE` or the worker's error. */
  async #ask<Item>(query: Query<Item>): Promise<Answer<Item>> {
    for (let attempt = 0; attempt < MAX_DUMPS; attempt++) {
      const writer = new MessageWriter(64);
      const sequence = this.#takeSequences(1);
      writer.message(query.type, query.flags, sequence, () => query.encode(writer));
      const outcome = await this.#link.query(writer.finish(), sequence);
      if (outcome.kind === "answered")
        return { ok: true, items: await decodeAll(outcome.chunks, sequence, query.decode) };
      if (outcome.kind === "refused") {
        const refusal = outcome.answer;
        const { errno, text } = refusal;
        const name = errnoName(errno);
        const message = `the kernel does not give ${query.what}: ${name}: ${text ?? errnoText(errno)}`;
        return { ok: false, refusal, error: new NetlinkError("KERNEL_REFUSED", message, { errno, errnoName: name }) };
      }
    }
    throw new NetlinkError("DUMP_INTERRUPTED", `${query.what} changed during each of ${MAX_DUMPS} dumps; try again`, {
      what: query.what,
    });
  }

  /** The first of `count` numbers in a row, none of which is 0: that is what unasked messages have. */
  #takeSequences(count: number): number {
    if (this.#nextSequence + count > 0xffffffff) this.#nextSequence = 1;
    const first = this.#nextSequence;
    this.#nextSequence += count;
    return first;
  }
}

/** Decodes one datagram (up to 32 KiB, some 500 routes) per turn of the event loop. */
async function decodeAll<Item>(
  chunks: readonly Uint8Array[],
  sequence: number,
  decode: (payload: ByteReader) => Item | undefined,
): Promise<Item[]> {
  const items: Item[] = [];
  for (const [index, chunk] of chunks.entries()) {
    if (index > 0) await nextTurn();
    for (const message of readMessages(chunk)) {
      if (message.sequence !== sequence || isControl(message.type)) continue;
      const item = decode(message.payload);
      if (item !== undefined) items.push(item);
    }
  }
  return items;
}
