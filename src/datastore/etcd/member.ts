import type { Etcd3, IOptions } from "etcd3";
import type { Secret } from "../../core/secret.ts";
import type { TlsMaterial } from "./options.ts";

export interface MemberSettings {
  readonly tls?: TlsMaterial;
  readonly credentials?: { readonly username: string; readonly password: Secret };
  readonly requestTimeoutMs: number;
}

/** One endpoint of the cluster and the client that talks to it alone: which member to use is decided by us. */
export interface Member {
  readonly endpoint: string;
  readonly client: Etcd3;
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

/** Makes the client of one endpoint; it connects with the first call. etcd3 is loaded late, for it takes 0.15 s. */
export async function createMember(endpoint: string, settings: MemberSettings): Promise<Member> {
  const { Etcd3 } = await import("etcd3");
  const { tls, credentials } = settings;
  const client = new Etcd3({
    hosts: endpoint,
    ...(tls !== undefined && { credentials: tls }),
    ...(credentials !== undefined && {
      auth: {
        username: credentials.username,
        password: credentials.password.reveal(),
        callOptions: () => withDeadline(settings.requestTimeoutMs),
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
  return { endpoint, client };
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
