import { setImmediate as nextTurn } from "node:timers/promises";
import { encodeKeepalive } from "../src/bgp/packet/keepalive.ts";
import type { OpenMessage } from "../src/bgp/packet/message.ts";
import { encodeOpen } from "../src/bgp/packet/open.ts";
import { createSpeaker } from "../src/bgp/speaker.ts";
import type { BgpSpeaker, PeerConfig } from "../src/bgp/types.ts";
import { systemClock } from "../src/core/clock.ts";
import { silentLogger } from "../src/core/logger.ts";
import { IpAddress } from "../src/net/address.ts";
import { FuzzFailure } from "./decode-target.ts";
import { MemorySockets } from "./memory-sockets.ts";
import { mutate } from "./mutate.ts";
import type { Random } from "./random.ts";

const attacker = "10.0.0.2";
const observer = "10.0.0.3";
const localAs = 65_000;
/** More turns of the event loop than anything here needs. */
const manyTurns = 2_000;
/** RFC 4271 §4.1. */
const markerAndHeader = 19;

/**
 * A whole speaker with a peer that sends what it likes and another that watches. `attack` throws `FuzzFailure` if the
 * speaker loses the watcher's session, keeps routes of a peer that is gone, or does not let the peer in again afterwards.
 */
export class SessionTarget {
  readonly #speaker: BgpSpeaker;
  readonly #sockets = new MemorySockets();
  #uncaught: unknown;

  private constructor() {
    this.#speaker = createSpeaker({
      routerId: 0x0a000001,
      listen: { addresses: [], port: 179 },
      listener: { onLocRibChanges: () => {}, onPeerStateChange: () => {}, onInitialConvergence: () => {} },
      clock: systemClock,
      logger: silentLogger,
      random: () => 0.5,
      sockets: this.#sockets,
      // The peer is let in again at once, since there are many attacks to come.
      options: { timing: { idleHoldMinMs: 0, idleHoldMaxMs: 0 } },
    });
    this.#speaker.setPeers([peer(attacker, 65_001), peer(observer, localAs)]);
  }

  static async start(): Promise<SessionTarget> {
    const target = new SessionTarget();
    process.on("uncaughtException", target.#onUncaught);
    await target.#speaker.start();
    await target.#establish(observer, localAs);
    return target;
  }

  async stop(): Promise<void> {
    await this.#speaker.stop("restart");
    process.off("uncaughtException", this.#onUncaught);
  }

  /** Opens a session, sends mutations of some messages over it in pieces of any length, and closes it. */
  async attack(seeds: readonly Uint8Array[], random: Random): Promise<string> {
    // After an error it is let in again with the next timer.
    await this.#until(() => this.#stateOf(attacker) === "Active", "readiness");
    const socket = this.#sockets.connect(attacker);
    const opening = [openOf(65_001, 0x0a000002), encodeKeepalive()].map((message) =>
      random.chance(8) ? mutate(message, seeds, random) : message,
    );
    const count = 1 + random.below(12);
    const messages = Array.from({ length: count }, () =>
      random.chance(6) ? random.pick(seeds) : mutate(random.pick(seeds), seeds, random),
    );
    const stream = Buffer.concat([...opening, ...messages]);
    for (let at = 0; at < stream.length && !socket.destroyed && !socket.readableEnded; ) {
      const length = 1 + random.below(600);
      socket.push(stream.subarray(at, at + length));
      at += length;
      if (random.chance(3)) await nextTurn();
    }
    await nextTurn();
    const answer = lastType(socket.takeSent());
    if (!socket.readableEnded) socket.push(null);
    await this.#until(
      () => this.#uncaught !== undefined || ["Active", "Idle"].includes(this.#stateOf(attacker) ?? ""),
      "the end of it",
    );
    this.#check();
    return answer;
  }

  /** The peer that has done all this is let in again when it behaves, and its routes are gone when it is. */
  async recover(): Promise<void> {
    const socket = await this.#establish(attacker, 65_001);
    socket.push(null);
    await this.#until(() => this.#stateOf(attacker) !== "Established", "the end of a good session");
    await this.#until(() => [...this.#speaker.locRib()].length === 0, "the end of its routes");
    this.#check();
  }

  #check(): void {
    if (this.#uncaught !== undefined)
      throw new FuzzFailure(`an exception got out: ${String(this.#uncaught)}`, { cause: this.#uncaught });
    if (this.#stateOf(observer) !== "Established") throw new FuzzFailure("the session of another peer is lost");
  }

  async #establish(address: string, remoteAs: number) {
    await this.#until(() => this.#stateOf(address) === "Active", "readiness");
    const socket = this.#sockets.connect(address);
    socket.push(openOf(remoteAs, IpAddress.parse(address).w0));
    socket.push(encodeKeepalive());
    await this.#until(() => this.#stateOf(address) === "Established", `a good session with ${address}`);
    return socket;
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    for (let turn = 0; turn < manyTurns; turn++) {
      if (condition()) return;
      await nextTurn();
    }
    throw new FuzzFailure(`waited in vain for ${what}; the attacker is ${this.#stateOf(attacker)}`);
  }

  #stateOf(address: string): string | undefined {
    return this.#speaker.peers().find(({ config }) => config.address.toString() === address)?.state;
  }

  readonly #onUncaught = (error: unknown): void => {
    this.#uncaught = error;
  };
}

function peer(address: string, remoteAs: number): PeerConfig {
  const policy = { name: "all", rules: [], defaultAction: "accept" } as const;
  return {
    name: address,
    description: "fuzz",
    address: IpAddress.parse(address),
    port: 179,
    localAs,
    remoteAs,
    passive: true,
    holdTimeSec: 0,
    families: ["ipv4-unicast", "ipv6-unicast"],
    routeReflectorClient: false,
    nextHopMode: "auto",
    allowLocalAs: 0,
    importPolicy: policy,
    exportPolicy: policy,
  };
}

function openOf(asNumber: number, bgpIdentifier: number): Uint8Array {
  const open: Omit<OpenMessage, "type"> = {
    version: 4,
    myAs: asNumber,
    holdTimeSec: 0,
    bgpIdentifier,
    capabilities: [
      { kind: "multiprotocol", afi: 1, safi: 1 },
      { kind: "multiprotocol", afi: 2, safi: 1 },
      { kind: "four-octet-as", asNumber },
      { kind: "route-refresh" },
    ],
  };
  return encodeOpen(open);
}

/** The type of the last message that the speaker sent, and for a NOTIFICATION its codes. */
function lastType(octets: Buffer): string {
  let answer = "nothing";
  for (let at = 0; at + markerAndHeader <= octets.length; ) {
    const length = octets.readUInt16BE(at + 16);
    const type = octets[at + 18];
    answer = type === 3 ? `notification/${octets[at + 19]}/${octets[at + 20]}` : `type/${type}`;
    at += Math.max(length, markerAndHeader);
  }
  return answer;
}
