import { type AddressFamily, IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { PrefixIndex } from "../../net/prefix-index.ts";
import { hostIsLittleEndian } from "../../sys/byte-order.ts";
import type { NetlinkRequest, RouteShape } from "../types.ts";
import { encodeRequest } from "./request.ts";
import { MessageWriter } from "./writer.ts";

/** What a message does with a route. */
export type RouteOperation = "route-add" | "route-replace" | "route-delete";

const operations: readonly RouteOperation[] = ["route-add", "route-replace", "route-delete"];
const families: readonly AddressFamily[] = [4, 6];

/** Where in a message (struct nlmsghdr, struct rtmsg, RTA_DST) lies what differs between alike routes. */
const sequenceOffset = 8;
const lengthOffset = 17;
const destinationOffset = 32;

/** Of each family a prefix whose message has all parts: the default route's has no RTA_DST. */
const samples: Readonly<Record<AddressFamily, Prefix>> = {
  4: Prefix.host(IpAddress.v4(0)),
  6: Prefix.host(IpAddress.v6(0, 0, 0, 0)),
};

/** The request for one route. */
export function requestOf(operation: RouteOperation, destination: Prefix, shape: RouteShape): NetlinkRequest {
  if (operation !== "route-delete") return { op: operation, route: { destination, ...shape } };
  const { table, metric, tos, protocol } = shape;
  // Names the protocol, so that nobody else's route can be hit that has meanwhile taken the key.
  return { op: operation, key: { destination, table, metric, tos }, protocol };
}

/**
 * Messages of routes that are alike: made once for a shape, an operation and a family, then copied, with the prefix and the
 * sequence number put in.
 */
export class RouteTemplates {
  /** By operation and family. A shape that nobody uses any more takes its messages along. */
  readonly #made = operations.flatMap(() => families.map(() => new WeakMap<RouteShape, Uint32Array>()));
  /** The last one: alike routes come one after the other. */
  #kind = -1;
  #shape: RouteShape | undefined;
  #words: Uint32Array = new Uint32Array(0);

  /** The message for a row's prefix, all but the sequence number, as words; good until the next call. Throws `INVALID_REQUEST`. */
  wordsFor(operation: RouteOperation, shape: RouteShape, index: PrefixIndex, row: number): Uint32Array {
    const family = index.familyOf(row);
    if (index.lengthOf(row) === 0) return encode(operation, index.prefixOf(row), shape);
    const kind = operations.indexOf(operation) * 2 + (family === 4 ? 0 : 1);
    if (shape !== this.#shape || kind !== this.#kind) {
      this.#words = this.#template(operation, shape, family, kind);
      this.#shape = shape;
      this.#kind = kind;
    }
    return this.#words;
  }

  #template(operation: RouteOperation, shape: RouteShape, family: AddressFamily, kind: number): Uint32Array {
    const known = this.#made[kind]?.get(shape);
    if (known !== undefined) return known;
    const words = encode(operation, samples[family], shape);
    this.#made[kind]?.set(shape, words);
    return words;
  }
}

/** Puts into a copied message at `start` what is its own. */
export function complete(view: DataView, start: number, sequence: number, index: PrefixIndex, row: number): void {
  view.setUint32(start + sequenceOffset, sequence, hostIsLittleEndian);
  const length = index.lengthOf(row);
  if (length === 0) return;
  view.setUint8(start + lengthOffset, length);
  view.setUint32(start + destinationOffset, index.wordOf(row, 0), false);
  if (index.familyOf(row) === 4) return;
  for (let word = 1; word < 4; word++)
    view.setUint32(start + destinationOffset + 4 * word, index.wordOf(row, word), false);
}

function encode(operation: RouteOperation, destination: Prefix, shape: RouteShape): Uint32Array {
  const writer = new MessageWriter(256);
  encodeRequest(writer, 0, requestOf(operation, destination, shape));
  return new Uint32Array(writer.finish().buffer);
}
