import type { Socket } from "node:net";
import type { Secret } from "./secret.ts";

/*
 * TCP as the BGP speaker needs it. Node's own `net` has none of the options below, so that who implements this decides what
 * there is: addresses are text here, since the ground floor knows no others.
 */

/** What proves that a segment comes from the peer. Both sides have the same password. */
export type TcpKey =
  /** RFC 2385; 1 to 80 octets. */
  | { readonly kind: "md5"; readonly password: Secret }
  /** RFC 5925, 5926; 1 to 80 octets. The peer's `sendId` is our `receiveId`. Both 0 … 255. */
  | {
      readonly kind: "ao";
      readonly algorithm: "hmac-sha-1-96" | "aes-128-cmac-96";
      readonly password: Secret;
      readonly sendId: number;
      readonly receiveId: number;
    };

/** How a connection is made and kept. What is absent is as the system has it. */
export interface TcpOptions {
  /** Network device that all packets use; a link-local peer is on it. */
  readonly device?: string;
  /** TTL or hop limit of what we send, 1 … 255. */
  readonly ttl?: number;
  /** RFC 5082: packets with a lower TTL or hop limit are dropped, 1 … 255; then ours have 255. */
  readonly minimumTtl?: number;
  /** How long sent octets may stay unacknowledged, in milliseconds (TCP_USER_TIMEOUT). */
  readonly userTimeoutMs?: number;
  readonly key?: TcpKey;
}

export interface TcpDial {
  readonly address: string;
  readonly port: number;
  /** Ours; the system chooses if absent. */
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly options: TcpOptions;
}

/** Who connects to us: one address, or all of a prefix. */
export interface TcpRange {
  readonly address: string;
  /** Absent: the address alone. */
  readonly prefixLength?: number;
}

export interface TcpListener {
  readonly port: number;
  /**
   * From now on connections out of the range need this key, or none. Others and live ones are not touched. Throws a typed
   * error if the system refuses.
   */
  setKey(range: TcpRange, key: TcpKey | undefined): void;
  /** Connections that were accepted live on. */
  close(): void;
}

export interface TcpListen {
  /** Absent: every address of this host. */
  readonly address?: string;
  /** 0 is any free port. */
  readonly port: number;
  readonly backlog: number;
  readonly onConnection: (socket: Socket) => void;
  /** Accepting has failed, such as for want of file descriptors; the listener goes on. */
  readonly onError: (error: Error) => void;
}

export interface TcpSockets {
  /** Why connections with these options can't be made here, as half a sentence; undefined if they can. */
  refusal(options: TcpOptions): string | undefined;
  /** Rejects with the error of the system, or when `signal` aborts; then no socket is left behind. No time limit of its own. */
  dial(request: TcpDial, signal: AbortSignal): Promise<Socket>;
  /** Rejects with the error of the system, whose `code` is the errno's name. */
  listen(request: TcpListen): Promise<TcpListener>;
  /** Gives an accepted connection its options, its key included. Throws if one of them can't be had: then nobody may use it. */
  prepare(socket: Socket, options: TcpOptions): void;
  /** Another password on a live connection, from the next segment on. Throws as `prepare`. */
  changeKey(socket: Socket, key: TcpKey): void;
}
