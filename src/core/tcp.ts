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

/** Who uses a connection. Nothing is called from inside a method of the connection, but for `readNow`. */
export interface TcpUser {
  /**
   * What came in. The memory is used again: it is good until the call returns or, if the call has paused the connection, until
   * that is resumed.
   */
  onOctets(octets: Uint8Array): void;
  /** The peer has closed its side. Nothing more will come, but octets can still be sent. */
  onEnd(): void;
  /** Octets have to wait, and none did before; or the kernel has taken some of those that waited: `unsentOctets` says how many do. */
  onUnsent(): void;
  /** Reading or writing has failed, such as by a reset; what came before has been heard. `onClosed` follows. */
  onError(error: Error): void;
  /** The socket is gone. The last call. */
  onClosed(): void;
}

/** A connected socket, without delay of small segments (TCP_NODELAY). */
export interface TcpConnection {
  /** Text as of `TcpDial.address`; undefined if the socket was gone before anybody asked. */
  readonly localAddress: string | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** There is no socket any more. */
  readonly isGone: boolean;
  /** Octets that wait in this process. */
  readonly unsentOctets: number;
  /** From now on this one hears everything, in place of anybody before, and octets are read. If the socket is gone, `onClosed` comes. */
  use(user: TcpUser): void;
  /** Gives octets back that were heard, to be heard first of all by the next user. Only for a paused connection. */
  unread(octets: Uint8Array): void;
  /** No octets until `resume`; the kernel's buffer fills up, and the peer must wait. */
  pause(): void;
  resume(): void;
  /** Has octets that wait in the kernel heard in this very call, where that can be had, unless the connection is paused. */
  readNow(): void;
  /** Queues octets, which belong to the caller again after the call. Those of one turn of the event loop go out together. */
  write(octets: Uint8Array): void;
  /** Closes our side after what is queued; the socket is gone when the peer's is closed, too. Nothing is written after it. */
  end(): void;
  /** Closes at once. What is queued is lost. */
  destroy(): void;
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
  readonly onConnection: (connection: TcpConnection) => void;
  /** Accepting has failed, such as for want of file descriptors; the listener goes on. */
  readonly onError: (error: Error) => void;
}

export interface TcpSockets {
  /** Why connections with these options can't be made here, as half a sentence; undefined if they can. */
  refusal(options: TcpOptions): string | undefined;
  /** Rejects with the error of the system, or when `signal` aborts; then no socket is left behind. No time limit of its own. */
  dial(request: TcpDial, signal: AbortSignal): Promise<TcpConnection>;
  /** Rejects with the error of the system, whose `code` is the errno's name. */
  listen(request: TcpListen): Promise<TcpListener>;
  /** Gives an accepted connection its options, its key included. Throws if one of them can't be had: then nobody may use it. */
  prepare(connection: TcpConnection, options: TcpOptions): void;
  /** Another password on a live connection, from the next segment on. Throws as `prepare`. */
  changeKey(connection: TcpConnection, key: TcpKey): void;
}
