import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { TcpSockets } from "../core/tcp.ts";
import { DynamicPeers } from "./dynamic-peers.ts";
import { refusalOf } from "./session/endpoint.ts";
import { listenerKeys } from "./session/key-ranges.ts";
import { BgpListener } from "./session/listener.ts";
import { PeerSession } from "./session/peer-session.ts";
import { plainSockets } from "./session/plain-sockets.ts";
import { SpeakerCore } from "./speaker-core.ts";
import type { SpeakerOptions } from "./speaker-options.ts";
import type { BgpSpeaker, BgpSpeakerListener, ListenPlace, PeerConfig } from "./types.ts";

/** Few enough for a turn of some milliseconds, many enough to fill UPDATEs. */
const prefixesPerTurn = 4096;

/** Between batches to hundreds of peers: short against what a route takes through a network, and long enough for tens of changes at the pace of the busiest ones. */
const spacingMs = 10;

/** What `createSpeaker` needs. */
export interface CreateSpeaker {
  /** BGP identifier, an unsigned 32-bit number other than 0. */
  readonly routerId: number;
  readonly listen: ListenPlace;
  readonly listener: BgpSpeakerListener;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  /** TCP; that of node's `net` if absent, which has none of the options of `PeerConfig.transport`. */
  readonly sockets?: TcpSockets;
  readonly options?: SpeakerOptions;
}

/** A BGP speaker on TCP sockets. Nothing happens before `start`, but peers and routes may be given before. */
export function createSpeaker({
  routerId,
  listen,
  listener,
  clock,
  logger,
  random,
  sockets = plainSockets,
  options = {},
}: CreateSpeaker): BgpSpeaker {
  const { isOwnAddress } = options;
  let place = listen;
  const listeners = new BgpListener({
    sockets,
    clock,
    logger,
    onConnection: (remote, connection) => {
      const peer = core.peerAt(remote);
      peer?.session.accept(connection);
      return peer !== undefined || dynamicPeers.welcome(remote, connection);
    },
  });
  let configured: readonly PeerConfig[] = [];
  const updateKeys = () => listeners.setKeys(listenerKeys(configured, dynamicPeers.ranges));
  const core = new SpeakerCore(
    {
      routerId,
      listen,
      listener,
      clock,
      logger,
      defer: setImmediate,
      prefixesPerTurn,
      spacingMs,
      options: {
        ...options,
        isOwnAddress: (address) =>
          place.addresses.some((own) => own.equals(address)) || isOwnAddress?.(address) === true,
      },
    },
    {
      listen: async (wanted) => {
        await listeners.listen(wanted);
        place = wanted;
      },
      refusal: (peer) => refusalOf(peer, sockets),
      setKeys: (peers) => {
        configured = peers;
        updateKeys();
      },
      setRanges: (ranges) => {
        dynamicPeers.setRanges(ranges);
        updateKeys();
      },
      close: () => {
        dynamicPeers.stop();
        listeners.close();
      },
      createSession: (config, sessionListener, gracefulRestartState) =>
        new PeerSession({
          config,
          routerId,
          clock,
          logger,
          random,
          sockets,
          listener: sessionListener,
          gracefulRestartState,
          ...(options.timing === undefined ? {} : { timing: options.timing }),
          ...(options.tap === undefined ? {} : { tap: options.tap }),
        }),
    },
  );
  const dynamicPeers = new DynamicPeers({ speaker: core, sockets, clock, logger });
  return core;
}
