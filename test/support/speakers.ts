import { createServer } from "node:net";
import { afterEach } from "vitest";
import type { LocRibChange } from "../../src/bgp/paths.ts";
import { createSpeaker } from "../../src/bgp/speaker.ts";
import type { SpeakerOptions } from "../../src/bgp/speaker-options.ts";
import type { BgpSpeaker, PeerConfig } from "../../src/bgp/types.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { TcpSockets } from "../../src/core/tcp.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { addressOf, attributesOf, peerConfigOf, prefixOf } from "./bgp.ts";

/** A speaker on a loopback address, with everything it told its listener. */
export interface TestSpeaker {
  readonly speaker: BgpSpeaker;
  readonly address: string;
  /** What it names as next hop; loopback addresses are none that a peer accepts. */
  readonly nextHop: string;
  readonly changes: LocRibChange[];
  readonly states: string[];
  convergences: number;
}

const quick = { connectDelayMs: 10, connectRetryMs: 150, idleHoldMinMs: 50, idleHoldMaxMs: 100, stableMs: 0 };

const running = new Set<TestSpeaker>();
afterEach(async () => {
  await Promise.all([...running].map(({ speaker }) => speaker.stop("shutdown")));
  running.clear();
});

/** A port that is free on every loopback address a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, () => resolve()));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** Loopback addresses of their own for each test process, so that runs side by side don't meet. */
const network = `127.${1 + (process.pid % 250)}.${1 + Math.floor(Math.random() * 250)}`;
let lastHost = 0;
export function freshAddress(): string {
  lastHost++;
  return `${network}.${lastHost}`;
}

export function makeSpeaker(
  port: number,
  options: SpeakerOptions = {},
  address = freshAddress(),
  sockets?: TcpSockets,
): TestSpeaker {
  const nextHop = address.replace(/^127\./, "10.");
  const test: TestSpeaker = {
    address,
    nextHop,
    changes: [],
    states: [],
    convergences: 0,
    speaker: createSpeaker({
      routerId: addressOf(address).w0,
      listen: { addresses: [addressOf(address)], port },
      listener: {
        onLocRibChanges: (changes) => test.changes.push(...changes),
        onPeerStateChange: (peer, state, reason) =>
          test.states.push(`${peer} ${state}${reason === undefined ? "" : `: ${reason.kind}`}`),
        onInitialConvergence: () => {
          test.convergences++;
        },
      },
      clock: systemClock,
      logger: silentLogger,
      random: Math.random,
      ...(sockets !== undefined && { sockets }),
      options: { timing: quick, ownNextHops: { "ipv4-unicast": addressOf(nextHop) }, ...options },
    }),
  };
  running.add(test);
  return test;
}

/** The configuration of `other` as a peer of `self`; named after its address. */
export function peering(
  self: TestSpeaker,
  other: TestSpeaker,
  port: number,
  config: Partial<PeerConfig> = {},
): PeerConfig {
  return peerConfigOf(
    { name: other.address, address: other.address, port },
    { localAddress: addressOf(self.address), ...config },
  );
}

export function originate(test: TestSpeaker, ...prefixes: string[]): void {
  const routes = prefixes.map((prefix) => ({ prefix: prefixOf(prefix), attributes: attributesOf() }));
  test.speaker.updateOriginated(routes, []);
}

/** The Loc-RIB as text: prefix to the next hop of every path used, "local" for own routes. */
export function tableOf({ speaker }: TestSpeaker): Record<string, string> {
  const entries = [...speaker.locRib()].map(
    ({ prefix, paths }) =>
      [prefix.toString(), paths.map(({ nextHop }) => nextHop?.address ?? "local").join(" ")] as const,
  );
  return Object.fromEntries(entries.sort(([left], [right]) => Prefix.parse(left).compare(Prefix.parse(right))));
}

export function bestOf({ speaker }: TestSpeaker, prefix: string) {
  return speaker.bestPaths(prefixOf(prefix))[0];
}
