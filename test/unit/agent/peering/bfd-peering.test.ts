import { beforeEach, describe, expect, test, vi } from "vitest";
import { BfdPeering } from "../../../../src/agent/peering/bfd-peering.ts";
import type { BfdPeer, BfdStatus } from "../../../../src/bgp/bfd/types.ts";
import type { BfdWish, PeerConfig, PeerStatus } from "../../../../src/bgp/types.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { peerConfigOf, sessionOf } from "../../../support/bgp.ts";

const wish: BfdWish = { intervalMs: 100, multiplier: 3, hops: "auto" };

/** The speaker and the service at both ends of what is tested. */
class Surroundings {
  readonly peers = new Map<string, { config: PeerConfig; isEstablished: boolean }>();
  readonly unreachable: string[] = [];
  /** Each set of peers that the service was given. */
  readonly wanted: (readonly BfdPeer[])[] = [];
  started = 0;
  startError: Error | undefined;
  wayError: Error | undefined;
  events: { onStatus: (status: BfdStatus, was: BfdStatus["state"]) => void; onFailure: (error: Error) => void } = {
    onStatus: () => {},
    onFailure: () => {},
  };
  readonly bfd = new BfdPeering({
    speaker: {
      peer: (name) => {
        const peer = this.peers.get(name);
        return peer && this.#status(peer);
      },
      peers: () => [...this.peers.values()].map((peer) => this.#status(peer)),
      peerUnreachable: (peer, { text, controlPlaneIndependent }) =>
        this.unreachable.push(`${peer} ${text} ${controlPlaneIndependent}`),
    },
    logger: silentLogger,
    startService: async (events) => {
      this.started++;
      if (this.startError !== undefined) throw this.startError;
      this.events = events as Surroundings["events"];
      return { setPeers: (peers) => this.wanted.push(peers), problems: [], close: async () => {} };
    },
    isOnLink: async (address) => {
      if (this.wayError !== undefined) throw this.wayError;
      return address.toString().startsWith("10.");
    },
    interfaceIndex: async () => undefined,
    onChange: () => {},
  });

  add(name: string, address: string, bfd?: BfdWish): void {
    const config = peerConfigOf({ name, address, port: 179 }, bfd === undefined ? {} : { bfd });
    this.peers.set(name, { config, isEstablished: false });
    this.bfd.peersChanged();
  }

  establish(name: string): void {
    const peer = this.peers.get(name);
    if (peer !== undefined) peer.isEstablished = true;
    this.bfd.established(name);
  }

  say(name: string, status: Partial<BfdStatus>, was: BfdStatus["state"]): void {
    const full: BfdStatus = {
      name,
      sinceMs: 0,
      problem: undefined,
      state: "Down",
      diagnostic: 1,
      remoteState: "Up",
      remoteDiagnostic: 0,
      remoteControlPlaneIndependent: false,
      transmitIntervalMs: 100,
      detectionTimeMs: 300,
      ...status,
    };
    this.events.onStatus(full, was);
  }

  get names(): readonly string[] | undefined {
    return this.wanted.at(-1)?.map(({ name }) => name);
  }

  #status({ config, isEstablished }: { config: PeerConfig; isEstablished: boolean }): PeerStatus {
    return {
      config,
      state: isEstablished ? "Established" : "Active",
      sinceMs: 0,
      ...(isEstablished && { negotiated: sessionOf(config, {}) }),
    } as unknown as PeerStatus;
  }
}

let around: Surroundings;

beforeEach(() => {
  around = new Surroundings();
});

describe("BFD for BGP peers", () => {
  test("starts nothing while nobody asks", () => {
    around.add("plain", "10.0.0.1");
    around.establish("plain");
    expect(around.started).toBe(0);
  });

  test("watches a peer from its first Established session on, by one hop if it is on a link of ours", async () => {
    around.add("near", "10.0.0.1", wish);
    around.add("far", "192.0.2.1", wish);
    expect(around.started).toBe(0);
    around.establish("near");
    around.establish("far");
    await vi.waitFor(() => expect(around.names).toEqual(["near", "far"]));
    expect(around.wanted.at(-1)?.map(({ multihop }) => multihop)).toEqual([false, true]);
    expect(around.wanted.at(-1)?.[0]?.timers).toEqual({
      desiredMinTxUs: 100_000,
      requiredMinRxUs: 100_000,
      detectMultiplier: 3,
    });
    expect(around.started).toBe(1);
  });

  test("takes the speaker's session down when a path dies, and not when its end was announced", async () => {
    around.add("near", "10.0.0.1", wish);
    around.establish("near");
    await vi.waitFor(() => expect(around.names).toEqual(["near"]));
    around.say("near", { state: "Up", diagnostic: 0 }, "Init");
    around.say("near", { state: "Down", diagnostic: 3, remoteState: "AdminDown" }, "Up");
    expect(around.unreachable).toEqual([]);
    around.say("near", { state: "Down", diagnostic: 1 }, "Up");
    expect(around.unreachable).toEqual(["near BFD: control detection time expired false"]);
    expect(around.bfd.status("near")?.state).toBe("Down");
  });

  test("goes on watching over the loss of the BGP session, and ends with the peer", async () => {
    around.add("near", "10.0.0.1", wish);
    around.establish("near");
    await vi.waitFor(() => expect(around.names).toEqual(["near"]));
    const peer = around.peers.get("near");
    if (peer !== undefined) peer.isEstablished = false;
    around.bfd.peersChanged();
    expect(around.names).toEqual(["near"]);
    around.peers.delete("near");
    around.bfd.peersChanged();
    expect(around.names).toEqual([]);
    expect(around.bfd.status("near")).toBeUndefined();
  });

  test("says of which peer it does not know the way, until it does or the peer is gone", async () => {
    around.wayError = new Error("no netlink");
    for (const [name, address] of [
      ["near", "10.0.0.1"],
      ["gone", "10.0.0.2"],
    ] as const) {
      around.add(name, address, wish);
      around.establish(name);
    }
    await vi.waitFor(() => expect(around.bfd.problems).toHaveLength(2));
    expect(around.bfd.problems[0]).toBe("BFD cannot find the way to near: no netlink");
    around.wayError = undefined;
    around.peers.delete("gone");
    around.bfd.peersChanged();
    await vi.waitFor(() => expect(around.names).toEqual(["near"]));
    expect(around.bfd.problems).toEqual([]);
  });

  test("says why it does not work, and tries again with the next change", async () => {
    around.startError = new Error("no thread");
    around.add("near", "10.0.0.1", wish);
    around.establish("near");
    await vi.waitFor(() => expect(around.bfd.problems).toEqual(["no thread"]));
    around.startError = undefined;
    around.bfd.peersChanged();
    await vi.waitFor(() => expect(around.names).toEqual(["near"]));
    expect(around.bfd.problems).toEqual([]);
  });
});
