import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { IpAddress } from "../net/address.ts";
import { dialTcp } from "./session/dial.ts";
import { BgpListener } from "./session/listener.ts";
import { PeerSession } from "./session/peer-session.ts";
import { SpeakerCore, type SpeakerOptions } from "./speaker-core.ts";
import type { BgpSpeaker, BgpSpeakerListener } from "./types.ts";

/** Few enough for a turn of some milliseconds, many enough to fill UPDATEs. */
const prefixesPerTurn = 4096;

/** What `createSpeaker` needs. */
export interface CreateSpeaker {
  /** BGP identifier, an unsigned 32-bit number other than 0. */
  readonly routerId: number;
  /** No address means every address of this host. */
  readonly listen: { readonly addresses: readonly IpAddress[]; readonly port: number };
  readonly listener: BgpSpeakerListener;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
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
  options = {},
}: CreateSpeaker): BgpSpeaker {
  const { isOwnAddress } = options;
  const sockets = new BgpListener({
    ...listen,
    clock,
    logger,
    onConnection: (remote, socket) => {
      const peer = core.peerAt(remote);
      peer?.session.accept(socket);
      return peer !== undefined;
    },
  });
  const core = new SpeakerCore(
    {
      routerId,
      listener,
      clock,
      logger,
      defer: setImmediate,
      prefixesPerTurn,
      options: {
        ...options,
        isOwnAddress: (address) =>
          listen.addresses.some((own) => own.equals(address)) || isOwnAddress?.(address) === true,
      },
    },
    {
      listen: () => sockets.listen(),
      close: () => sockets.close(),
      createSession: (config, sessionListener, gracefulRestartState) =>
        new PeerSession({
          config,
          routerId,
          clock,
          logger,
          random,
          dial: dialTcp,
          listener: sessionListener,
          gracefulRestartState,
          ...(options.timing === undefined ? {} : { timing: options.timing }),
        }),
    },
  );
  return core;
}
