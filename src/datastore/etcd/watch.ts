import type { IWatchResponse } from "etcd3";
import type { Clock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Watch, WatchHandler } from "../datastore.ts";
import { classifyFailure } from "./failure.ts";
import { type Member, withLeader } from "./member.ts";
import type { Members } from "./members.ts";
import { WatchPosition } from "./watch-position.ts";
import { prefixRange } from "./wire.ts";

export interface EtcdWatchOptions {
  readonly members: Members;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly prefix: string;
  readonly fromRevision: bigint;
  readonly handler: WatchHandler;
  /** Called once, when no handler will run any more. */
  readonly onEnd: () => void;
}

type Stream = Awaited<ReturnType<Member["client"]["watchClient"]["watch"]>>;

/** How a stream ended. */
type StreamEnd =
  | { readonly type: "broken"; readonly reason: string; readonly wasWatching: boolean }
  /** The store refuses the watch: a token has expired, or the user may not read the prefix. */
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "compacted"; readonly revision: bigint };

/** One watch over as many streams, one after the other, as it takes. */
export class EtcdWatch implements Watch {
  readonly #options: EtcdWatchOptions;
  readonly #position: WatchPosition;
  #stream: Stream | undefined;
  #ended = false;
  /** Of which cluster the revisions are. */
  #cluster: string | undefined;

  constructor(options: EtcdWatchOptions) {
    this.#options = options;
    this.#position = new WatchPosition(options.fromRevision);
    void this.#run();
  }

  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream?.cancel();
    this.#options.onEnd();
  }

  async #run(): Promise<void> {
    const { members, logger, prefix, handler } = this.#options;
    for (let failures = 0; !this.#ended; failures++) {
      const member = members.current;
      const end = await this.#follow(member).catch((error: unknown): StreamEnd => {
        const { reason, worthRepeating } = classifyFailure(error);
        return worthRepeating ? { type: "broken", reason, wasWatching: false } : { type: "refused", reason };
      });
      if (this.#ended) return;
      if (end.type === "compacted") {
        this.cancel();
        this.#call(() => handler.onCompacted(end.revision));
        return;
      }
      const fields = { prefix, endpoint: member.endpoint, reason: end.reason, revision: this.#position.next };
      if (end.type === "refused") {
        logger.warn(fields, "etcd refuses a watch; trying again");
        await this.#askOnce();
      } else {
        members.failed(member, end.reason);
        logger.debug(fields, "a watch goes on with a new stream");
        if (end.wasWatching) failures = 0;
      }
      await members.pause(failures);
    }
  }

  /** A read makes the client library notice that its token has expired, and fetch a new one; a watch does not. */
  async #askOnce(): Promise<void> {
    const { members, prefix } = this.#options;
    const range = { ...prefixRange(prefix), count_only: true };
    await members.request("always", (client, options) => client.kv.range(range, options)).catch(() => undefined);
  }

  /** Watches on one stream until it ends. */
  async #follow(member: Member): Promise<StreamEnd> {
    const { members, clock, prefix } = this.#options;
    this.#position.beginStream();
    const stream = await member.client.watchClient.watch(withLeader);
    return new Promise((resolve) => {
      let wasWatching = false;
      const finish = (end: StreamEnd) => {
        timer.cancel();
        // Later responses of this stream come to nobody.
        if (this.#stream === stream) this.#stream = undefined;
        stream.cancel();
        resolve(end);
      };
      const timer = clock.setTimer(members.requestTimeoutMs, () =>
        finish({ type: "broken", reason: "no answer to the request to watch", wasWatching }),
      );
      this.#stream = stream;
      stream.on("error", (error) => finish({ type: "broken", reason: classifyFailure(error).reason, wasWatching }));
      stream.on("end", () => finish({ type: "broken", reason: "the stream was ended", wasWatching }));
      stream.on("data", (response) => {
        if (this.#stream !== stream || this.#ended) return;
        timer.cancel();
        members.answered(member);
        const end = this.#take(response);
        if (end !== undefined) finish(end);
        else wasWatching = true;
      });
      const start_revision = this.#position.next.toString();
      const range = prefixRange(prefix);
      stream.write({
        create_request: { ...range, start_revision, progress_notify: true, prev_kv: true, fragment: true },
      });
      if (this.#ended) stream.cancel();
    });
  }

  /** Deals with one response; answers how the stream has ended, if it has. */
  #take(response: IWatchResponse): StreamEnd | undefined {
    const { handler } = this.#options;
    const { cluster_id, revision } = response.header;
    this.#cluster ??= cluster_id;
    // Another cluster, restored from a backup perhaps: its revisions say nothing of those we know.
    if (cluster_id !== this.#cluster) return { type: "compacted", revision: BigInt(revision) };
    if (response.compact_revision !== "0") return { type: "compacted", revision: BigInt(response.compact_revision) };
    if (response.canceled) return { type: "refused", reason: response.cancel_reason || "the watch was cancelled" };
    if (response.created) return undefined;
    const delivery = this.#position.take(response);
    if (delivery !== undefined) this.#call(() => handler.onEvents(delivery.events, delivery.revision));
    return undefined;
  }

  #call(deliver: () => void): void {
    try {
      deliver();
    } catch (error) {
      this.#options.logger.error({ error: errorMessage(error) }, "a watch handler threw; its watch goes on");
    }
  }
}
