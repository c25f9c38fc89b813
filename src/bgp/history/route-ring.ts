import { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { PathSource } from "../paths.ts";
import { word } from "../rib/attribute-summary.ts";
import { none, PathFlag } from "../rib/path-rows.ts";
import { type Destination, PathView } from "../rib/path-view.ts";
import type { Rib } from "../rib/rib.ts";
import type { RibViews } from "../rib/rib-views.ts";

/** The choice for a prefix as it was at a time; lists of paths are never changed, so the decision can be run on it again. */
export interface PastChoice {
  readonly kind: "best-path";
  readonly atMs: number;
  readonly prefix: Prefix;
  readonly destination: Destination;
}

/** What a place of the ring has. */
const Form = { object: 0, noPath: 1, onePath: 2 } as const;
const isIpv6 = 4;
const isStale = 8;
const formMask = 3;

/** The length of an IPv6 prefix in octets, behind its own length in one: an NLRI. */
const nlriRoom = 17;

/**
 * The last events of routes. That a prefix has one path now, or none, is kept as numbers, since a full table says little else;
 * all other events are kept as they are.
 *
 * Invariant: a place of the form `onePath` holds its attributes and its next hop, if it has one, in the RIB.
 */
export class RouteRing<Other extends object> {
  readonly #capacity: number;
  readonly #rib: Rib;
  readonly #views: RibViews;
  #count = 0;
  /** Where the next event goes. */
  #next = 0;
  readonly #objects: (Other | PastChoice | undefined)[] = [];
  readonly #sources: (PathSource | undefined)[] = [];
  readonly #forms: Uint8Array;
  readonly #nlri: Uint8Array;
  readonly #times: Float64Array;
  readonly #attributes: Int32Array;
  readonly #nextHops: Int32Array;
  readonly #pathIds: Uint32Array;

  constructor(capacity: number, rib: Rib, views: RibViews) {
    this.#capacity = capacity;
    this.#rib = rib;
    this.#views = views;
    this.#forms = new Uint8Array(capacity);
    this.#nlri = new Uint8Array(capacity * nlriRoom);
    this.#times = new Float64Array(capacity);
    this.#attributes = new Int32Array(capacity);
    this.#nextHops = new Int32Array(capacity);
    this.#pathIds = new Uint32Array(capacity);
  }

  add(event: Other): void {
    this.#objects[this.#take()] = event;
  }

  /** The choice for a prefix, by its row, as it is now. */
  addChoice(row: number, atMs: number): void {
    const { choices, paths, attributes, nextHops, prefixes } = this.#rib;
    const first = choices.firstOf(row);
    const place = this.#take();
    if (first !== none && (paths.next[first] !== none || choices.bestOf(row) !== first)) {
      const destination = this.#views.destination(row);
      this.#objects[place] = { kind: "best-path", atMs, prefix: destination.prefix, destination };
      return;
    }
    const family = prefixes.familyOf(row) === "ipv6-unicast" ? isIpv6 : 0;
    this.#times[place] = atMs;
    this.#nlri.fill(0, place * nlriRoom, (place + 1) * nlriRoom);
    prefixes.writeNlri(row, this.#nlri, place * nlriRoom);
    if (first === none) {
      this.#forms[place] = Form.noPath | family;
      return;
    }
    const nextHop = paths.nextHops[first] ?? none;
    const accepted = paths.accepted[first] ?? none;
    attributes.retain(accepted);
    if (nextHop !== none) nextHops.retain(nextHop);
    this.#forms[place] = Form.onePath | family | (paths.has(first, PathFlag.stale) ? isStale : 0);
    this.#attributes[place] = accepted;
    this.#nextHops[place] = nextHop;
    this.#pathIds[place] = paths.idOf(first);
    this.#sources[place] = this.#rib.sourceOf(first);
  }

  /** Oldest first. */
  *events(): IterableIterator<Other | PastChoice> {
    const start = this.#count < this.#capacity ? 0 : this.#next;
    for (let offset = 0; offset < this.#count; offset++) {
      const event = this.#at((start + offset) % this.#count);
      if (event !== undefined) yield event;
    }
  }

  /** A place for the next event, which the oldest one leaves. */
  #take(): number {
    const place = this.#next;
    this.#next = (place + 1) % this.#capacity;
    if (place < this.#count) this.#forget(place);
    else this.#count++;
    return place;
  }

  #forget(place: number): void {
    if (this.#formOf(place) === Form.onePath) {
      const nextHop = this.#nextHops[place] ?? none;
      this.#rib.attributes.release(this.#attributes[place] ?? 0);
      if (nextHop !== none) this.#rib.nextHops.release(nextHop);
    }
    this.#forms[place] = Form.object;
    if (this.#objects[place] !== undefined) this.#objects[place] = undefined;
  }

  #at(place: number): Other | PastChoice | undefined {
    const form = this.#formOf(place);
    if (form === Form.object) return this.#objects[place];
    const prefix = this.#prefixAt(place);
    const atMs = this.#times[place] ?? 0;
    const source = this.#sources[place];
    if (form === Form.noPath || source === undefined)
      return { kind: "best-path", atMs, prefix, destination: { prefix, paths: [], selected: [], unresolved: [] } };
    const path = new PathView(
      {
        prefix,
        pathId: this.#pathIds[place] ?? 0,
        attributes: this.#rib.attributes.get(this.#attributes[place] ?? 0),
        source,
        stale: ((this.#forms[place] ?? 0) & isStale) !== 0,
      },
      this.#rib.nextHops.get(this.#nextHops[place] ?? none),
      undefined,
    );
    const destination = { prefix, paths: [path], selected: [path], unresolved: [] };
    return { kind: "best-path", atMs, prefix, destination };
  }

  #formOf(place: number): number {
    return (this.#forms[place] ?? 0) & formMask;
  }

  #prefixAt(place: number): Prefix {
    const at = place * nlriRoom;
    const words = [1, 5, 9, 13].map((offset) => word(this.#nlri, at + offset));
    const [first = 0, second = 0, third = 0, fourth = 0] = words;
    const isOfIpv6 = ((this.#forms[place] ?? 0) & isIpv6) !== 0;
    const address = isOfIpv6 ? IpAddress.v6(first, second, third, fourth) : IpAddress.v4(first);
    return Prefix.of(address, this.#nlri[at] ?? 0);
  }
}
