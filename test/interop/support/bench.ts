import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Capability } from "../../../src/bgp/packet/capability.ts";
import type { SpeakerOptions } from "../../../src/bgp/speaker-options.ts";
import type { PeerConfig } from "../../../src/bgp/types.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { TestNamespace } from "../../support/network-namespace.ts";
import { Child } from "./child-process.ts";
import { BirdDaemon } from "./daemons/bird.ts";
import type { Daemon, DaemonConfig, DaemonHome, DaemonName } from "./daemons/daemon.ts";
import { ExaBgpDaemon } from "./daemons/exabgp.ts";
import { FrrDaemon } from "./daemons/frr.ts";
import { GoBgpDaemon } from "./daemons/gobgp.ts";
import { OpenBgpdDaemon } from "./daemons/openbgpd.ts";
import { place } from "./place.ts";
import { SpeakerNode } from "./speaker-node.ts";

const run = promisify(execFile);

const rawSpeaker = fileURLToPath(new URL("raw-speaker.mjs", import.meta.url));

const makers: Readonly<Record<DaemonName, (home: DaemonHome) => Daemon>> = {
  BIRD: (home) => new BirdDaemon(home),
  FRR: (home) => new FrrDaemon(home),
  GoBGP: (home) => new GoBgpDaemon(home),
  OpenBGPD: (home) => new OpenBgpdDaemon(home),
  ExaBGP: (home) => new ExaBgpDaemon(home),
};

/** A daemon and our speaker in namespaces of their own on one segment, and a third one for whoever else is needed. */
export class Bench {
  readonly daemon: Daemon;
  /** Kinds of the capabilities that the daemon has offered us. */
  readonly offered = new Set<Capability["kind"]>();
  readonly us = new TestNamespace("us");
  readonly them = new TestNamespace("them");
  readonly edge = new TestNamespace("edge");
  readonly folder = mkdtempSync(join(tmpdir(), "calibird-interop-"));
  readonly #speakers: SpeakerNode[] = [];
  readonly #daemons: Daemon[] = [];
  readonly #rawPeers: Child[] = [];

  private constructor(name: DaemonName) {
    this.daemon = makers[name](this.#home(this.them, "them"));
    this.#daemons.push(this.daemon);
  }

  static async create(name: DaemonName): Promise<Bench> {
    const bench = new Bench(name);
    // Some daemons give up root before they open their files.
    chmodSync(bench.folder, 0o755);
    try {
      await bench.#connect();
      return bench;
    } catch (error) {
      await bench.close();
      throw error;
    }
  }

  /** Starts a BIRD in the edge, which is ended with the bench. */
  async startObserver(config: DaemonConfig): Promise<Daemon> {
    const observer = new BirdDaemon(this.#home(this.edge, "observer"));
    this.#daemons.push(observer);
    await observer.start(config);
    return observer;
  }

  /** Starts a peer in the edge that says these messages to an address, and then only listens. */
  startRawPeer(from: string, to: string, messages: readonly Uint8Array[]): void {
    const octets = messages.map((message) => Buffer.from(message).toString("hex"));
    this.#rawPeers.push(
      new Child(this.edge.name, [process.execPath, rawSpeaker, to, from, ...octets], {
        logFile: join(this.folder, "raw-peers.log"),
      }),
    );
  }

  async startSpeaker(peers: readonly PeerConfig[], options: SpeakerOptions = {}): Promise<SpeakerNode> {
    const speaker = await SpeakerNode.start(this.us.name, join(this.folder, "speaker.log"), place.us, peers, {
      ownNextHops: { "ipv6-unicast": IpAddress.parse(place.usV6) },
      ...options,
    });
    this.#speakers.push(speaker);
    return speaker;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#speakers.map((one) => one.kill()), ...this.#daemons.map((one) => one.stop())]);
    for (const peer of this.#rawPeers) await peer.end("SIGKILL");
    for (const namespace of [this.us, this.them, this.edge]) namespace.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #home(namespace: TestNamespace, name: string): DaemonHome {
    const folder = join(this.folder, name);
    mkdirSync(folder);
    return { namespace: namespace.name, folder };
  }

  /** Whether the daemon and our speaker reach each other; if not, neither notices but by silence. */
  async setForwarding(isOn: boolean): Promise<void> {
    await run("bridge", ["-n", this.edge.name, "link", "set", "dev", "them", "state", isOn ? "3" : "0"]);
  }

  async #connect(): Promise<void> {
    const { us, them, edge } = this;
    // Duplicate address detection would keep the addresses from use for a second or two.
    for (const namespace of [us, them, edge])
      await namespace.exec("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0");
    await edge.ipBatch([
      "link set lo up",
      "link add lan type bridge",
      ...Object.entries({ us, them }).flatMap(([port, namespace]) => [
        `link add ${port} type veth peer name lan netns ${namespace.name}`,
        `link set ${port} master lan up`,
      ]),
      "link set lan up",
      ...place.edge.map((address) => `address add ${address}/24 dev lan`),
    ]);
    const addresses = { us: [place.us, place.usV6], them: [place.them, place.themV6] };
    for (const [name, namespace] of Object.entries({ us, them }))
      await namespace.ipBatch([
        ...["link set lo up", "link set lan up"],
        ...addresses[name === "us" ? "us" : "them"].map(
          (address) => `address add ${address}/${address.includes(":") ? "64 nodad" : 24} dev lan`,
        ),
      ]);
  }
}
