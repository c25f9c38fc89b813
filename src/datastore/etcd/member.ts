import type { Etcd3, IOptions } from "etcd3";
import type { Secret } from "../../core/secret.ts";
import type { TlsMaterial, TlsReader } from "./tls.ts";

type Etcd3Class = typeof Etcd3;

export interface MemberSettings {
  readonly tls: TlsReader;
  readonly credentials?: { readonly username: string; readonly password: Secret };
  readonly requestTimeoutMs: number;
}

type Policy = NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;
type StreamOptions = NonNullable<Parameters<Etcd3["watchClient"]["watch"]>[0]>;
type Interceptor = NonNullable<StreamOptions["interceptors"]>[number];

const KEEPALIVE_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 3_000;
/** gRPC's own pause between attempts to connect; by default it grows to two minutes. */
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 1_000;

const noEvents = () => ({ dispose: () => undefined });

/** In place of etcd3's retries, which don't know a write from a read, and its circuit breaker, which outlasts the outage. */
const passThrough: Policy = {
  _altReturn: undefined as never,
  onSuccess: noEvents,
  onFailure: noEvents,
  async execute(run, signal = new AbortController().signal) {
    return run({ signal });
  },
};

/** One endpoint of the cluster and the client that talks to it alone: which member to use is decided by us. */
export class Member {
  readonly endpoint: string;
  readonly #etcd3: Etcd3Class;
  readonly #settings: MemberSettings;
  #tls: TlsMaterial | undefined;
  #client: Etcd3;

  /** Throws `INVALID_CONNECTION` if the certificates can't be read. */
  constructor(etcd3: Etcd3Class, endpoint: string, settings: MemberSettings) {
    this.endpoint = endpoint;
    this.#etcd3 = etcd3;
    this.#settings = settings;
    this.#tls = settings.tls.read();
    this.#client = createClient(etcd3, endpoint, this.#tls, settings);
  }

  /** Connects with the first call. */
  get client(): Etcd3 {
    return this.#client;
  }

  /**
   * Takes up new certificates if there are some, after a failure: gRPC connects again with those that its channel was made
   * with. Calls and streams under way end as if the connection were lost.
   */
  renew(): void {
    const tls = this.#settings.tls.changedSince(this.#tls);
    if (tls === undefined) return;
    const before = this.#client;
    this.#tls = tls;
    this.#client = createClient(this.#etcd3, this.endpoint, tls, this.#settings);
    before.close();
  }

  close(): void {
    this.#client.close();
  }
}

function createClient(
  etcd3: Etcd3Class,
  endpoint: string,
  tls: TlsMaterial | undefined,
  { credentials, requestTimeoutMs }: MemberSettings,
): Etcd3 {
  return new etcd3({
    hosts: endpoint,
    ...(tls !== undefined && { credentials: tls }),
    ...(credentials !== undefined && {
      auth: {
        username: credentials.username,
        password: credentials.password.reveal(),
        callOptions: () => withDeadline(requestTimeoutMs),
      },
    }),
    grpcOptions: {
      // Lists and the catching-up of watches go beyond gRPC's 4 MiB.
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      // etcd takes pings that come more often than every 5 s for an attack.
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.initial_reconnect_backoff_ms": RECONNECT_MIN_MS,
      "grpc.min_reconnect_backoff_ms": RECONNECT_MIN_MS,
      "grpc.max_reconnect_backoff_ms": RECONNECT_MAX_MS,
      // A proxy is for the outside world.
      "grpc.enable_http_proxy": 0,
    },
    faultHandling: { global: passThrough, host: () => passThrough },
  });
}

/** gRPC wants an absolute time of the wall clock. */
export function withDeadline(timeoutMs: number): { deadline: Date } {
  return { deadline: new Date(Date.now() + timeoutMs) };
}

/** Makes a member that has lost the cluster's leader end the stream; it would stay silent for ever otherwise. */
export const withLeader: StreamOptions = {
  interceptors: [
    (options, nextCall) => {
      const call = nextCall(options);
      const start = call.start.bind(call);
      call.start = (metadata, listener) => {
        metadata.set("hasleader", "true");
        start(metadata, listener);
      };
      return call as ReturnType<Interceptor>;
    },
  ],
};
