import { fileURLToPath } from "node:url";
import type { ExplainedPath, OriginatedRoute, Path } from "../../../src/bgp/paths.ts";
import type { SessionDownReason } from "../../../src/bgp/session-state.ts";
import type { SpeakerOptions } from "../../../src/bgp/speaker-options.ts";
import type { BgpSpeaker, PeerConfig, PeerRange, PeerStatus } from "../../../src/bgp/types.ts";
import { Secret } from "../../../src/core/secret.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { Child } from "./child-process.ts";
import { packer, speakerClasses } from "./pack.mjs";

const { pack, unpack } = packer(speakerClasses(IpAddress, Prefix, Secret));
const program = fileURLToPath(new URL("speaker-process.mjs", import.meta.url));

/** What a session waits for is worth no waiting in a test. */
const quick = { connectDelayMs: 10, connectRetryMs: 1_000, idleHoldMinMs: 200, idleHoldMaxMs: 1_000, stableMs: 0 };

type Method = keyof BgpSpeaker | "endings" | "bfdState";

/** Our speaker in a process and a namespace of its own. */
export class SpeakerNode {
  readonly #child: Child;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #calls = 0;

  private constructor(child: Child) {
    this.#child = child;
    child.process.on("message", ({ id, error, result }: { id: number; error?: string; result?: unknown }) => {
      const call = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) call?.resolve(unpack(result));
      else call?.reject(new Error(error));
    });
    child.process.once("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`our speaker has ended:\n${child.log}`));
      this.#waiting.clear();
    });
  }

  /** Listens on every address of the namespace, and knows its peers when it begins to. */
  static async start(
    namespace: string,
    logFile: string,
    routerId: string,
    peers: readonly PeerConfig[] = [],
    options: SpeakerOptions = {},
  ): Promise<SpeakerNode> {
    const child = new Child(namespace, [process.execPath, program], { logFile, channel: true });
    const node = new SpeakerNode(child);
    await node.#call("start", {
      routerId: IpAddress.parse(routerId).w0,
      listen: { addresses: [], port: 179 },
      peers,
      options: { timing: quick, ...options },
    });
    return node;
  }

  async setPeers(...peers: readonly PeerConfig[]): Promise<void> {
    await this.#call("setPeers", peers);
  }

  /** Ranges without `discover`, which is a function and stays on its side. */
  async setPeerRanges(...ranges: readonly PeerRange[]): Promise<void> {
    await this.#call("setPeerRanges", ranges);
  }

  async originate(announce: readonly OriginatedRoute[], withdraw: readonly Prefix[] = []): Promise<void> {
    await this.#call("updateOriginated", announce, withdraw);
  }

  async peers(): Promise<PeerStatus[]> {
    return this.#call("peers") as Promise<PeerStatus[]>;
  }

  /** The peer of this name; throws if there is none. */
  async peer(name: string): Promise<PeerStatus> {
    const peer = (await this.peers()).find(({ config }) => config.name === name);
    if (peer === undefined) throw new Error(`our speaker has no peer ${name}`);
    return peer;
  }

  /** The paths that a peer has announced and policy has let in. */
  async received(peer: string): Promise<ExplainedPath[]> {
    return this.#call("received", peer) as Promise<ExplainedPath[]>;
  }

  async advertised(peer: string): Promise<Path[]> {
    return this.#call("advertised", peer) as Promise<Path[]>;
  }

  async bestPaths(prefix: string): Promise<Path[]> {
    return this.#call("bestPaths", Prefix.parse(prefix)) as Promise<Path[]>;
  }

  /** Why this peer's connections have ended or failed so far, in order. */
  async endings(peer: string): Promise<SessionDownReason[]> {
    const all = (await this.#call("endings")) as { peer: string; reason: SessionDownReason }[];
    return all.filter((ending) => ending.peer === peer).map(({ reason }) => reason);
  }

  /** Undefined while nobody watches the peer. */
  async bfdState(peer: string): Promise<string | undefined> {
    return this.#call("bfdState", peer) as Promise<string | undefined>;
  }

  async stop(mode: "restart" | "shutdown"): Promise<void> {
    await this.#call("stop", mode);
    await this.#child.end("SIGKILL");
  }

  kill(): Promise<void> {
    return this.#child.end("SIGKILL");
  }

  get log(): string {
    return this.#child.log;
  }

  async #call(method: Method, ...parameters: readonly unknown[]): Promise<unknown> {
    if (!this.#child.isRunning) throw new Error(`our speaker is not running:\n${this.#child.log}`);
    const id = this.#calls++;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#child.process.send({ id, method, parameters: pack(parameters) });
    return answer;
  }
}
