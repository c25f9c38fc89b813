import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BmpExporter } from "../../src/bgp/bmp/exporter.ts";
import { BgpMonitor } from "../../src/bgp/monitor.ts";
import { MrtRecorder } from "../../src/bgp/mrt/recorder.ts";
import { plainSockets } from "../../src/bgp/session/plain-sockets.ts";
import { createSpeaker } from "../../src/bgp/speaker.ts";
import type { BgpSpeaker, BgpSpeakerListener } from "../../src/bgp/types.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { addressOf, attributesOf, peerConfigOf, prefixOf } from "../support/bgp.ts";
import { freePort, freshAddress } from "../support/speakers.ts";
import { patient } from "./support/patience.ts";

let folder: string;
const cleanups: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-monitoring-"));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

const silent: BgpSpeakerListener = {
  onLocRibChanges: () => {},
  onPeerStateChange: () => {},
  onInitialConvergence: () => {},
};
const timing = { connectDelayMs: 10, connectRetryMs: 150, idleHoldMinMs: 50, idleHoldMaxMs: 100, stableMs: 0 };

/** A speaker of AS 64512 that is watched, and its eBGP peer of AS 4200000001. */
class Pair {
  readonly addresses = [freshAddress(), freshAddress()] as const;
  readonly monitor = new BgpMonitor(() => this.watched);
  readonly watched: BgpSpeaker;
  readonly peer: BgpSpeaker;
  readonly #port: number;

  private constructor(port: number) {
    this.#port = port;
    this.watched = this.#speaker(0, this.monitor.listening(silent), this.monitor);
    this.peer = this.#speaker(1, silent);
  }

  static async start(): Promise<Pair> {
    const pair = new Pair(await freePort());
    await pair.watched.start();
    await pair.peer.start();
    pair.connect();
    return pair;
  }

  connect(): void {
    const [own, other] = this.addresses;
    for (const [speaker, local, remote, localAs, remoteAs] of [
      [this.watched, own, other, 64512, 4200000001],
      [this.peer, other, own, 4200000001, 64512],
    ] as const)
      speaker.setPeers([
        peerConfigOf(
          { name: remote, address: remote, port: this.#port },
          { localAddress: addressOf(local), localAs, remoteAs },
        ),
      ]);
  }

  #speaker(index: 0 | 1, listener: BgpSpeakerListener, tap?: BgpMonitor): BgpSpeaker {
    const address = this.addresses[index];
    const speaker = createSpeaker({
      routerId: addressOf(address).w0,
      listen: { addresses: [addressOf(address)], port: this.#port },
      listener,
      clock: systemClock,
      logger: silentLogger,
      random: Math.random,
      options: {
        timing,
        ownNextHops: { "ipv4-unicast": addressOf(address.replace(/^127\./, "10.")) },
        ...(tap !== undefined && { tap }),
      },
    });
    cleanups.push(() => speaker.stop("shutdown"));
    return speaker;
  }
}

function announce(speaker: BgpSpeaker, prefix: string, med: number): void {
  speaker.updateOriginated([{ prefix: prefixOf(prefix), attributes: attributesOf([], { med }) }], []);
}

/** A BMP station that keeps what it hears and has tshark read it. */
class Station {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #octets: Buffer = Buffer.alloc(0);

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("data", (chunk) => {
        this.#octets = Buffer.concat([this.#octets, chunk]);
      });
      socket.on("error", () => {});
    });
  }

  static async start(): Promise<Station> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const station = new Station(server, address.port);
    cleanups.push(() => station.stop());
    return station;
  }

  /** The values of a field in all messages so far. */
  values(field: string): string[] {
    return this.tshark("-T", "fields", "-e", field)
      .flatMap((line) => line.split(","))
      .filter((value) => value !== "");
  }

  /** What tshark finds wrong; it does not know the table's name in a Peer Up of the Loc-RIB (RFC 9069 §4.4). */
  complaints(): string[] {
    const wrong = "(_ws.malformed || _ws.expert.severity >= 0x600000)";
    return this.tshark("-Y", `${wrong} && !(bmp.type == 3 && bmp.peer.type == 3)`, "-V");
  }

  tshark(...args: readonly string[]): string[] {
    const [text, capture] = [join(folder, "bmp.txt"), join(folder, "bmp.pcap")];
    writeFileSync(
      text,
      this.#messages()
        .map((message) => `000000 ${message.toString("hex").replaceAll(/../g, "$& ")}\n`)
        .join("\n"),
    );
    execFileSync("text2pcap", ["-q", "-T", "40000,11019", text, capture], { stdio: "pipe" });
    const output = execFileSync("tshark", ["-r", capture, "-d", "tcp.port==11019,bmp", ...args], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    return output
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "");
  }

  #messages(): Buffer[] {
    const messages: Buffer[] = [];
    for (let at = 0; at + 6 <= this.#octets.length; ) {
      const length = this.#octets.readUInt32BE(at + 1);
      if (at + length > this.#octets.length) break;
      messages.push(this.#octets.subarray(at, at + length));
      at += length;
    }
    return messages;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function startExporter({ monitor, addresses }: Pair, port: number): BmpExporter {
  const exporter = new BmpExporter({
    monitor,
    targets: [{ address: addressOf("127.0.0.1"), port }],
    views: new Set(["adj-rib-in", "adj-rib-out", "loc-rib"]),
    sockets: plainSockets,
    clock: systemClock,
    logger: silentLogger,
    random: () => 0,
    description: "calibird test",
    name: "n1",
    routerId: 0x0a000001,
    localAs: () => 64512,
    ownAddresses: [addressOf(addresses[0].replace(/^127\./, "10."))],
    statisticsSec: 1,
  });
  exporter.start();
  cleanups.push(() => exporter.stop());
  return exporter;
}

const isLive = (exporter: BmpExporter) =>
  vi.waitFor(() => expect(exporter.status()[0]).toMatchObject({ state: "live", reason: undefined }), patient);

describe("a BMP station, with tshark to read for it", () => {
  test("that comes late is told of sessions and routes in all three views, and then of what happens", async () => {
    const pair = await Pair.start();
    announce(pair.peer, "10.66.0.0/16", 7);
    announce(pair.watched, "10.77.0.0/16", 9);
    await vi.waitFor(() => expect([...pair.watched.locRib()]).toHaveLength(2), patient);
    await vi.waitFor(() => expect([...pair.peer.locRib()]).toHaveLength(2), patient);
    const station = await Station.start();
    await isLive(startExporter(pair, station.port));
    await vi.waitFor(() => {
      const types = station.values("bmp.type");
      // Initiation first, Peer Up before the routes.
      expect(types.slice(0, 2)).toEqual(["4", "3"]);
      // The peer's route before policy and in the Loc-RIB, ours after policy and in the Loc-RIB.
      expect(station.values("bgp.nlri_prefix").sort()).toEqual(["10.66.0.0", "10.66.0.0", "10.77.0.0", "10.77.0.0"]);
    }, patient);
    announce(pair.peer, "10.88.0.0/16", 1);
    await vi.waitFor(() => {
      const prefixes = station.values("bgp.nlri_prefix");
      expect(prefixes.filter((prefix) => prefix === "10.88.0.0")).toHaveLength(2);
    }, patient);
    // Two sessions with their OPENs: the peer's and the made-up one of the Loc-RIB.
    expect(station.values("bmp.peer.type").sort().at(-1)).toBe("3");
    expect(station.tshark("-V").join("\n")).toContain("calibird test");
    await vi.waitFor(() => expect(station.values("bmp.stats.type")).toContain("7"), patient);
    expect(station.complaints()).toEqual([]);
  });

  test("hears why a session ended, and of the routes that went with it", async () => {
    const pair = await Pair.start();
    announce(pair.peer, "10.66.0.0/16", 7);
    await vi.waitFor(() => expect([...pair.watched.locRib()]).toHaveLength(1), patient);
    const station = await Station.start();
    await isLive(startExporter(pair, station.port));
    pair.watched.setPeers([]);
    await vi.waitFor(() => {
      expect(station.values("bmp.type")).toContain("2");
      expect(station.values("bgp.withdrawn_prefix")).toEqual(["10.66.0.0"]);
    }, patient);
    expect(station.complaints()).toEqual([]);
  });

  test("that is not there is tried again, and the speaker does not care", async () => {
    const pair = await Pair.start();
    const exporter = startExporter(pair, await freePort());
    await vi.waitFor(() => expect(exporter.status()[0]?.reason).toMatch(/ECONNREFUSED/), patient);
    announce(pair.peer, "10.66.0.0/16", 7);
    await vi.waitFor(() => expect([...pair.watched.locRib()]).toHaveLength(1), patient);
    expect(exporter.status()[0]).toMatchObject({ state: "connecting", octetsSent: 0 });
  });
});

describe("MRT files, with bgpdump to read them", () => {
  function start(pair: Pair): MrtRecorder {
    const recorder = new MrtRecorder({
      monitor: pair.monitor,
      clock: systemClock,
      logger: silentLogger,
      directory: join(folder, "mrt"),
      collector: () => ({
        identifier: 0x0a000001,
        addresses: [addressOf("10.0.0.1")],
        asNumber: 64512,
        viewName: "n1",
      }),
      updatesSec: 900,
      tablesSec: 0,
    });
    recorder.start();
    cleanups.push(() => recorder.stop());
    return recorder;
  }

  function read(path: string): string[][] {
    const output = execFileSync("bgpdump", ["-m", "-q", path], { stdio: ["ignore", "pipe", "pipe"] });
    return output
      .toString("utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split("|"));
  }

  test("of updates hold what came in and the changes of sessions", async () => {
    const pair = await Pair.start();
    const recorder = start(pair);
    announce(pair.peer, "10.66.0.0/16", 7);
    await vi.waitFor(() => expect([...pair.watched.locRib()]).toHaveLength(1), patient);
    pair.peer.updateOriginated([], [prefixOf("10.66.0.0/16")]);
    await vi.waitFor(() => expect([...pair.watched.locRib()]).toHaveLength(0), patient);
    recorder.stop();
    const [file = ""] = readdirSync(join(folder, "mrt"));
    expect(file).toMatch(/^updates\.\d{8}\.\d{6}\.mrt$/);
    const rows = read(join(folder, "mrt", file));
    const kinds = rows.map(([, , kind]) => kind);
    expect(kinds).toEqual(expect.arrayContaining(["STATE", "A", "W"]));
    const announced = rows.find(([, , kind]) => kind === "A");
    expect(announced?.slice(3, 7)).toEqual([pair.addresses[1], "4200000001", "10.66.0.0/16", "4200000001"]);
    expect(rows.find(([, , kind]) => kind === "W")?.[5]).toBe("10.66.0.0/16");
    expect(recorder.problem).toBeUndefined();
  });

  test("of tables hold every peer's routes and our own", async () => {
    const pair = await Pair.start();
    const recorder = start(pair);
    announce(pair.peer, "10.66.0.0/16", 7);
    announce(pair.watched, "10.77.0.0/16", 9);
    pair.watched.updateOriginated(
      [{ prefix: prefixOf("fd00:77::/64"), attributes: attributesOf(), nextHop: { address: addressOf("fd00::1") } }],
      [],
    );
    await vi.waitFor(() => expect([...pair.watched.locRib()]).toHaveLength(3), patient);
    const path = await recorder.dumpTables();
    const rows = read(path ?? "").map((row) => [row[3], row[5], row[6], row[8]]);
    expect(rows.sort()).toEqual(
      [
        [pair.addresses[1], "10.66.0.0/16", "4200000001", pair.addresses[1].replace(/^127\./, "10.")],
        ["10.0.0.1", "10.77.0.0/16", "", "10.0.0.1"],
        ["10.0.0.1", "fd00:77::/64", "", "fd00::1"],
      ].sort(),
    );
  });

  test("that cannot be written cost records and say why", async () => {
    const pair = await Pair.start();
    writeFileSync(join(folder, "mrt"), "in the way");
    const recorder = start(pair);
    expect(recorder.problem).toMatch(/MRT files cannot be written: E/);
    announce(pair.peer, "10.66.0.0/16", 7);
    await vi.waitFor(() => expect([...pair.watched.locRib()]).toHaveLength(1), patient);
    expect(await recorder.dumpTables()).toBeUndefined();
  });
});
