import { expect } from "vitest";
import type { Family } from "../../src/bgp/packet/family.ts";
import type { NextHop } from "../../src/bgp/packet/message.ts";
import { encodeEndOfRib } from "../../src/bgp/packet/update-encode.ts";
import { addressOf, attributesOf, pathOf, prefixOf } from "./bgp.ts";
import type { ScriptedSession } from "./scripted-session.ts";
import { ScriptedSpeaker } from "./scripted-speaker.ts";
import { keyOf, Model, ModelPeer, routeText } from "./speaker-model.ts";
import type { Operation, Saying } from "./speaker-operations.ts";
import {
  agreementWith,
  attributesFrom,
  configOf,
  manyPrefix,
  nextHopText,
  nextHopTexts,
  ownAddresses,
  peerCount,
  prefixTexts,
} from "./speaker-peers.ts";

type Of<Type extends Operation["type"]> = Extract<Operation, { type: Type }>;

/** A speaker and its model, to which the same things happen. */
export class SpeakerTrial {
  readonly #model = new Model();
  readonly #speaker: ScriptedSpeaker;
  /** What the listener was told of each prefix last. */
  readonly #heard = new Map<string, readonly object[]>();
  #changesRead = 0;

  constructor(prefixesPerTurn: number, spacingMs: number) {
    const resolveNextHop = (nextHop: NextHop) => (this.#model.reaches(nextHop) ? { metric: 0 } : undefined);
    // Nothing of what is kept for long ends by itself while a trial lasts.
    const endless = { stalePathSec: 1_000_000, longestLongLivedSec: 1_000_000 };
    const ownNextHops = { "ipv6-unicast": addressOf(ownAddresses["ipv6-unicast"]) };
    this.#speaker = new ScriptedSpeaker({ resolveNextHop, ownNextHops, ...endless }, prefixesPerTurn, spacingMs);
    for (let index = 0; index < peerCount; index++) {
      const config = configOf(index, 0, 0);
      this.#model.peers.set(config.name, new ModelPeer(config));
    }
    this.#configure();
    for (let index = 0; index < peerCount; index++) this.apply({ type: "up", peer: index, preserved: [] });
  }

  apply(operation: Operation): void {
    switch (operation.type) {
      case "up":
        this.#up(operation);
        return;
      case "originate":
        this.#originate(operation);
        return;
      case "policies":
        this.#setPolicies(operation);
        return;
      case "reach": {
        const address = nextHopTexts[operation.nextHop] ?? "";
        if (operation.isUp) this.#model.unreachable.delete(address);
        else this.#model.unreachable.add(address);
        this.#speaker.core.nextHopsChanged();
        return;
      }
      case "lapse":
        this.#hearRest();
        for (const peer of this.#model.peers.values()) if (!peer.up) peer.lapse();
        this.#speaker.clock.advance(120_000);
        return;
      case "wait":
        this.#speaker.clock.advance(operation.ms);
        return;
      case "turns":
        for (let count = 0; count < operation.count; count++) this.#speaker.turn();
        return;
      case "check":
        this.check();
        return;
      default: {
        const peer = this.#model.peers.get(nameOf(operation.peer));
        if (peer !== undefined) this.#happen(operation, peer, this.#session(peer));
      }
    }
  }

  /** Lets everything come to rest, and compares all that can be seen. */
  check(): void {
    this.#hearRest();
    for (const peer of this.#model.peers.values()) if (peer.up) this.#session(peer).drain();
    this.#speaker.settleLater();
    const choices = this.#model.choices();
    const chosen = new Map([...choices].map(([text, { chosen: paths }]) => [text, paths]));
    for (const [text, paths] of chosen) if (paths.length === 0) chosen.delete(text);
    this.#hear();
    expect(this.#heard).toEqual(chosen);
    expect(new Map([...this.#speaker.core.locRib()].map(({ prefix, paths }) => [`${prefix}`, paths]))).toEqual(chosen);
    for (const peer of this.#model.peers.values()) {
      this.#checkReceived(peer);
      if (peer.up) this.#checkAdvertised(peer, this.#model.told(peer, choices));
    }
  }

  /** Takes everything away. */
  end(): void {
    this.#model.peers.clear();
    this.#configure();
    this.#speaker.core.updateOriginated([], [...this.#model.originated.keys()].map(prefixOf));
    this.#model.originated.clear();
    this.check();
    expect(this.#speaker.core.peers()).toEqual([]);
  }

  #happen(operation: Extract<Operation, { peer: number }>, peer: ModelPeer, session: ScriptedSession): void {
    session.hearRest();
    switch (operation.type) {
      case "remove":
        this.#model.peers.delete(peer.config.name);
        this.#configure();
        return;
      case "replace":
        peer.config = { ...peer.config, holdTimeSec: peer.config.holdTimeSec === 90 ? 60 : 90 };
        peer.replaced();
        this.#configure();
        return;
      case "block":
        session.capacity = operation.capacity;
        return;
      case "drain":
        session.drain();
        return;
    }
    if (!peer.up) return;
    switch (operation.type) {
      case "say":
        this.#say(operation, peer, session);
        return;
      case "flap":
        this.#flap(operation, peer, session);
        return;
      case "burst":
        this.#burst(operation, peer, session);
        return;
      case "down":
        peer.lost(operation.graceful);
        if (operation.graceful) session.down();
        else session.down("notification-received", { code: 6, subcode: 9 });
        return;
      case "end-of-rib":
        if (peer.config.families.includes(operation.family))
          this.#hearAll([encodeEndOfRib(operation.family)], [], peer, session);
        return;
      case "refresh":
        session.routeRefresh(0, operation.family);
        return;
      case "begin-refresh":
        peer.beginRefresh(operation.family);
        session.routeRefresh(1, operation.family);
        return;
      case "end-refresh":
        peer.endRefresh(operation.family);
        session.routeRefresh(2, operation.family);
    }
  }

  #up({ peer: index, preserved }: Of<"up">): void {
    const name = nameOf(index);
    let peer = this.#model.peers.get(name);
    if (peer === undefined) {
      peer = new ModelPeer(configOf(index, 0, 0));
      this.#model.peers.set(name, peer);
      this.#configure();
    }
    if (peer.up) return;
    const session = this.#session(peer);
    session.hearRest();
    peer.established(preserved);
    session.capacity = Number.POSITIVE_INFINITY;
    session.up(agreementWith(peer.config, preserved));
  }

  #say({ sayings, cuts, atOnce }: Of<"say">, peer: ModelPeer, session: ScriptedSession): void {
    const usable = sayings.filter(({ family }) => peer.config.families.includes(family));
    const messages = usable.flatMap((saying) => updatesOf(saying, peer, session));
    this.#hearAll(messages, cuts, peer, session, atOnce);
  }

  #flap({ family, prefix, sets, turns }: Of<"flap">, peer: ModelPeer, session: ScriptedSession): void {
    const route = { prefix, pathId: 0 };
    const saying = { family, nextHop: 9, errors: [], set: 0, announced: [], withdrawn: [] };
    if (!peer.config.families.includes(family)) return;
    for (const set of sets)
      for (const said of [
        { ...saying, set, announced: [route] },
        { ...saying, withdrawn: [route] },
      ]) {
        this.#hearAll(updatesOf(said, peer, session), [], peer, session);
        for (let count = 0; count < turns; count++) this.#speaker.turn();
      }
    this.#hearAll(updatesOf({ ...saying, announced: [route] }, peer, session), [], peer, session);
  }

  #burst(operation: Of<"burst">, peer: ModelPeer, session: ScriptedSession): void {
    const { family, first, count, perUpdate, withdrawn, sets } = operation;
    if (!peer.config.families.includes(family)) return;
    const messages: Uint8Array[] = [];
    for (let from = first; from < first + count; from += perUpdate) {
      const indexes = Array.from({ length: Math.min(perUpdate, first + count - from) }, (_, at) => from + at);
      const nlri = indexes.map((index) => ({ prefix: prefixOf(manyPrefix(family, index)), pathId: 0 }));
      const attributes = attributesFrom(peer.config, Math.floor(from / perUpdate) % sets);
      const nextHop = { address: addressOf(nextHopText(family, indexOf(peer), 3)) };
      const part = withdrawn
        ? { withdrawals: [{ family, nlri }], announcements: [] }
        : { withdrawals: [], announcements: [{ family, nextHop, nlri }], attributes };
      messages.push(...session.encode(part));
    }
    this.#hearAll(messages, [1, 4097, 70_000], peer, session);
  }

  /** The messages arrive one behind the other, cut at these places. */
  #hearAll(
    messages: readonly Uint8Array[],
    cuts: readonly number[],
    peer: ModelPeer,
    session: ScriptedSession,
    atOnce = Number.POSITIVE_INFINITY,
  ): void {
    for (const message of messages) {
      const decoded = session.decode(message);
      if (!decoded.ok) {
        peer.lost(true);
        break;
      }
      if (decoded.message.type === "update") peer.learn(decoded.message);
    }
    const stream = Buffer.concat(messages);
    const ends = [...cuts.filter((cut) => cut < stream.length), stream.length].sort((left, right) => left - right);
    let from = 0;
    for (const to of ends) {
      session.hear(Uint8Array.from(stream.subarray(from, to)), atOnce);
      from = to;
    }
  }

  #originate({ family, prefix, med, isWithdrawn }: Of<"originate">): void {
    const text = prefixTextOf(family, prefix);
    if (isWithdrawn) {
      this.#model.originated.delete(text);
      this.#speaker.core.updateOriginated([], [prefixOf(text)]);
      return;
    }
    const attributes = attributesOf([], { med });
    this.#model.originated.set(text, pathOf({ kind: "local" }, attributes, { prefix: prefixOf(text) }));
    this.#speaker.core.updateOriginated([{ prefix: prefixOf(text), attributes }], []);
  }

  #setPolicies({ peer: index, imports, exports }: Of<"policies">): void {
    const peer = this.#model.peers.get(nameOf(index));
    if (peer === undefined) return;
    peer.config = configOf(index, imports, exports, peer.config.holdTimeSec);
    this.#configure();
  }

  #configure(): void {
    this.#speaker.core.setPeers([...this.#model.peers.values()].map(({ config }) => config));
  }

  #session({ config }: ModelPeer): ScriptedSession {
    return this.#speaker.session(config.name);
  }

  /** What has arrived and not been handled comes before anything that would be different after it. */
  #hearRest(): void {
    for (const peer of this.#model.peers.values()) this.#session(peer).hearRest();
  }

  #hear(): void {
    const { changes } = this.#speaker;
    for (; this.#changesRead < changes.length; this.#changesRead++) {
      const change = changes[this.#changesRead];
      if (change === undefined) continue;
      if (change.paths.length === 0) this.#heard.delete(change.prefix.toString());
      else this.#heard.set(change.prefix.toString(), change.paths);
    }
  }

  #checkReceived(peer: ModelPeer): void {
    const { name } = peer.config;
    const routes = [...peer.routes.values()];
    expect(this.#speaker.core.peer(name)).toMatchObject({
      received: routes.length,
      accepted: this.#model.accepted(peer).length,
      stale: routes.filter(({ stale }) => stale).length,
    });
    const known = [...this.#speaker.core.adjRibIn(name)].map(
      (route) => `${keyOf(route)} ${route.nextHop && routeText(route.attributes, route.nextHop)}`,
    );
    expect(known.sort()).toEqual(
      routes.map((route) => `${keyOf(route)} ${routeText(route.attributes, route.nextHop)}`).sort(),
    );
  }

  #checkAdvertised(peer: ModelPeer, told: Record<string, string[]>): void {
    const session = this.#session(peer);
    const heard: Record<string, string[]> = {};
    for (const [key, { attributes, nextHop }] of session.table) {
      const [text = ""] = key.split(" ");
      heard[text] = [...(heard[text] ?? []), routeText(attributes, nextHop)].sort();
    }
    expect(heard).toEqual(told);
    const { name, families } = peer.config;
    expect(this.#speaker.core.peer(name)?.advertised).toBe(Object.values(told).flat().length);
    const advertised = [...this.#speaker.core.advertised(name)].map(({ prefix, pathId }) =>
      pathId === 0 ? `${prefix}` : `${prefix} path ${pathId}`,
    );
    expect(advertised.sort()).toEqual([...session.table.keys()].sort());
    const { log } = session;
    expect(log.filter((line) => line === "EoR")).toHaveLength(families.length);
    expect(log.lastIndexOf("EoRR")).toBeGreaterThanOrEqual(log.lastIndexOf("BoRR"));
  }
}

const nameOf = (index: number): string => `peer-${index}`;
const indexOf = ({ config }: ModelPeer): number => Number(config.name.slice(-1));

function prefixTextOf(family: Family, index: number): string {
  const texts = prefixTexts[family];
  return texts[index % texts.length] ?? "";
}

/** What is said as octets; in one UPDATE, if it begins with IPv4 routes that go. */
function updatesOf(saying: Saying, peer: ModelPeer, session: ScriptedSession): Uint8Array[] {
  const { family, set, errors } = saying;
  const hasIds = peer.config.addPath?.[family]?.receive === true;
  const nlriOf = (routes: Saying["announced"]) =>
    routes.map(({ prefix, pathId }) => ({
      prefix: prefixOf(prefixTextOf(family, prefix)),
      pathId: hasIds ? pathId : 0,
    }));
  const withdrawn = nlriOf(saying.withdrawn);
  const announced = nlriOf(saying.announced);
  const withdrawals = session.encode({ withdrawals: [{ family, nlri: withdrawn }], announcements: [] });
  const nextHop = { address: addressOf(nextHopText(family, indexOf(peer), saying.nextHop)) };
  const announcements = session.encode({
    withdrawals: [],
    announcements: [{ family, nextHop, nlri: announced }],
    attributes: attributesFrom(peer.config, set),
  });
  const [first] = withdrawals;
  const [second] = announcements;
  const messages =
    first !== undefined && second !== undefined && family === "ipv4-unicast"
      ? [inOne(first, second)]
      : [...withdrawals, ...announcements];
  for (const message of messages)
    for (const { at, value } of errors) if (19 + at < message.length) message[19 + at] = value;
  return messages;
}

/** An UPDATE with the withdrawn routes of one and the announced routes of another. */
function inOne(withdrawal: Uint8Array, announcement: Uint8Array): Uint8Array {
  const field = withdrawal.subarray(19, withdrawal.length - 2);
  const message = Uint8Array.from([...announcement.subarray(0, 19), ...field, ...announcement.subarray(21)]);
  new DataView(message.buffer).setUint16(16, message.length);
  return message;
}
