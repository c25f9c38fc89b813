import { inspect } from "node:util";
import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import type { Family } from "../../src/bgp/packet/family.ts";
import type { NextHop, Nlri, UpdateMessage } from "../../src/bgp/packet/message.ts";
import { WellKnownCommunity } from "../../src/bgp/packet/well-known-communities.ts";
import type { Path } from "../../src/bgp/paths.ts";
import { exportProfileOf, importSideOf, type SpeakerRules, sourceOf } from "../../src/bgp/peer-rules.ts";
import { decide, rank } from "../../src/bgp/rib/decision.ts";
import { type Candidate, defaultDecisionOptions } from "../../src/bgp/rib/decision-steps.ts";
import { ExportRules } from "../../src/bgp/rib/export-rules.ts";
import type { PeerConfig } from "../../src/bgp/types.ts";
import type { Prefix } from "../../src/net/prefix.ts";
import { addressOf, pathOf, sessionOf } from "./bgp.ts";
import { agreementWith, knowsLongLived, ownAddresses } from "./speaker-peers.ts";

export const routerId = 0x0a000064;

interface ModelRoute {
  readonly prefix: Prefix;
  readonly pathId: number;
  readonly family: Family;
  attributes: PathAttributes;
  readonly nextHop: NextHop;
  stale: boolean;
}

/** What is known of one peer. */
export class ModelPeer {
  config: PeerConfig;
  up = false;
  /** It has sent End-of-RIB on this session. */
  readonly complete = new Set<Family>();
  /** The keys of routes that it has not announced again since it began to (RFC 7313). */
  readonly unrefreshed = new Map<Family, Set<string>>();
  /** By prefix and path identifier. */
  readonly routes = new Map<string, ModelRoute>();
  /** Away with stale routes, for less than the restart time. */
  #isAwaited = false;
  readonly #longLived = new Set<Family>();

  constructor(config: PeerConfig) {
    this.config = config;
  }

  /** Its routes outlive a session. */
  get #isKept(): boolean {
    return this.config.gracefulRestart !== undefined;
  }

  established(preserved: readonly Family[]): void {
    this.up = true;
    this.#isAwaited = false;
    this.complete.clear();
    this.#forget(({ family }) => !this.#isKept || !preserved.includes(family));
    for (const family of this.#longLived) if (!preserved.includes(family)) this.#longLived.delete(family);
  }

  /** The session is lost; a second loss gives up what is stale. */
  lost(isGraceful: boolean): void {
    this.up = false;
    this.#forget((route) => route.stale || !isGraceful || !this.#isKept);
    this.#retain();
  }

  /** Another session takes its place; what is stale already stays, too. */
  replaced(): void {
    if (this.#longLived.size > 0 || !this.#isKept) this.routes.clear();
    this.up = false;
    this.#retain();
  }

  /** The restart time is over (RFC 9494). */
  lapse(): void {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    const { longLivedStale, noLongLivedStale } = WellKnownCommunity;
    if (!knowsLongLived(this.config)) this.#forget(({ stale }) => stale);
    else for (const family of this.config.families) this.#longLived.add(family);
    this.#forget(({ stale, attributes }) => stale && attributes.communities.includes(noLongLivedStale));
    for (const route of this.routes.values())
      if (route.stale && !route.attributes.communities.includes(longLivedStale))
        route.attributes = {
          ...route.attributes,
          communities: [...route.attributes.communities, longLivedStale],
        };
  }

  learn({ withdrawals, announcements, attributes, endOfRib }: UpdateMessage): void {
    for (const { nlri } of withdrawals) for (const route of nlri) this.routes.delete(keyOf(route));
    for (const { family, nextHop, nlri } of announcements)
      for (const { prefix, pathId } of nlri) {
        const key = keyOf({ prefix, pathId });
        if (attributes === undefined || !this.#admits(family, key)) continue;
        this.unrefreshed.get(family)?.delete(key);
        this.routes.set(key, { prefix, pathId, family, attributes, nextHop, stale: false });
      }
    if (endOfRib === undefined) return;
    this.complete.add(endOfRib);
    this.#longLived.delete(endOfRib);
    this.#forget(({ stale, family }) => stale && family === endOfRib);
    // Then nobody is waited for any longer.
    if ([...this.routes.values()].every(({ stale }) => !stale)) this.#longLived.clear();
  }

  beginRefresh(family: Family): void {
    if (this.#isKept && !this.complete.has(family)) return;
    const keys = [...this.routes].flatMap(([key, route]) => (route.family === family ? [key] : []));
    this.unrefreshed.set(family, new Set(keys));
  }

  endRefresh(family: Family): void {
    for (const key of this.unrefreshed.get(family) ?? []) this.routes.delete(key);
    this.unrefreshed.delete(family);
  }

  #admits(family: Family, key: string): boolean {
    const limit = this.config.maxPrefix?.[family]?.limit ?? Number.POSITIVE_INFINITY;
    return this.routes.has(key) || [...this.routes.values()].filter((route) => route.family === family).length < limit;
  }

  #retain(): void {
    this.unrefreshed.clear();
    this.#longLived.clear();
    for (const route of this.routes.values()) route.stale = true;
    this.#isAwaited = this.routes.size > 0;
  }

  #forget(condition: (route: ModelRoute) => boolean): void {
    for (const [key, route] of this.routes) if (condition(route)) this.routes.delete(key);
  }
}

/** By prefix what can be chosen from and what is chosen. */
interface Choice {
  readonly usable: readonly Candidate[];
  readonly chosen: readonly Path[];
}

/** The same speaker as plain maps, computed anew every time: no groups, no lanes, no interning, no batches. */
export class Model {
  /** By name. */
  readonly peers = new Map<string, ModelPeer>();
  readonly originated = new Map<string, Path>();
  readonly unreachable = new Set<string>();
  readonly #rules: SpeakerRules = {
    routerId,
    intern: (attributes) => attributes,
    requirePolicy: false,
    ownNextHops: { "ipv6-unicast": addressOf(ownAddresses["ipv6-unicast"]) },
    spareNextHops: {},
  };

  reaches(nextHop: NextHop | undefined): boolean {
    return nextHop === undefined || !this.unreachable.has(nextHop.address.toString());
  }

  /** The paths of a peer that its rules let in. */
  accepted({ config, routes }: ModelPeer): Path[] {
    const side = importSideOf(config, this.#rules, (address) =>
      Object.values(ownAddresses).includes(address.toString()),
    );
    const source = sourceOf(config, config.address.w0);
    return [...routes.values()].flatMap(({ prefix, pathId, attributes, nextHop, stale }) => {
      const verdict = side.judge(prefix, attributes, nextHop, undefined);
      return verdict.accepted ? [pathOf(source, verdict.attributes, { prefix, pathId, nextHop, stale })] : [];
    });
  }

  choices(): Map<string, Choice> {
    const candidates = new Map<string, Candidate[]>();
    const paths = [...this.originated.values(), ...[...this.peers.values()].flatMap((peer) => this.accepted(peer))];
    for (const path of paths) {
      const text = path.prefix.toString();
      const list = candidates.get(text) ?? [];
      candidates.set(text, list);
      list.push({ path, igpMetric: this.reaches(path.nextHop) ? 0 : undefined });
    }
    return new Map(
      [...candidates].map(([text, usable]) => [text, { usable, chosen: decide(usable, defaultDecisionOptions) }]),
    );
  }

  /** Of every prefix what the peer shall know, as texts in any order. */
  told({ config }: ModelPeer, choices: ReadonlyMap<string, Choice>): Record<string, string[]> {
    const session = sessionOf(config, agreementWith(config));
    const rules = new ExportRules(exportProfileOf(config, session, this.#rules), { intern: this.#rules.intern });
    const told: Record<string, string[]> = {};
    for (const [text, { usable, chosen }] of choices) {
      const family = text.includes(":") ? "ipv6-unicast" : "ipv4-unicast";
      const { send } = config.addPath?.[family] ?? {};
      const paths =
        send === undefined ? chosen.slice(0, 1) : rank(usable, defaultDecisionOptions, send === "all" ? 1000 : send);
      const routes = paths.flatMap((path) => {
        if (path.source.kind === "peer" && path.source.peer === config.name) return [];
        const result = rules.apply(path);
        if (!result.announced || result.nextHop.address.equals(config.address)) return [];
        return [routeText(result.attributes, result.nextHop)];
      });
      if (routes.length > 0) told[text] = routes.sort();
    }
    return told;
  }
}

export const keyOf = ({ prefix, pathId }: Nlri): string => `${prefix} ${pathId}`;

/** A route as one that can be compared. */
export function routeText(attributes: PathAttributes, { address, linkLocal }: NextHop): string {
  let text = attributeTexts.get(attributes);
  if (text === undefined) {
    const known = Object.entries(attributes).filter(([, value]) => value !== undefined);
    const options = { depth: 9, sorted: true, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: null };
    text = inspect(Object.fromEntries(known), options);
    attributeTexts.set(attributes, text);
  }
  return `via ${address} ${linkLocal ?? ""} ${text}`;
}

/** Many routes share an object. */
const attributeTexts = new WeakMap<PathAttributes, string>();
