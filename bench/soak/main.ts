import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { createSpeaker } from "../../src/bgp/speaker.ts";
import type { BgpSpeaker } from "../../src/bgp/types.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { nativeSockets } from "../../src/sys/tcp/native-sockets.ts";
import { clientAddress, peering, speakerAddress } from "./peers.ts";
import { soakVirtually } from "./virtual-day.ts";

const usage = `npm run soak [-- --sessions N] [--minutes N] [--keepalive SECONDS]

Keeps BGP sessions between two processes on loopback up, and says whether one was lost and how late the event loop of the
speaker was. Needs no root. Defaults: 1000 sessions, 10 minutes, a keepalive every 3 seconds.

npm run soak -- --virtual-hours N

Lets N hours (such as 24) pass for an agent and BIRD, FRR, GoBGP, OpenBGPD and ExaBGP with the timers of production, inside a
user-mode-linux kernel whose clock jumps to the next timer when nobody has anything to do. At equal intervals something goes
wrong: processes are killed and come back in time or too late, links go down, neighbours fall silent, sessions are shut down.
Prints what was seen with virtual and real time, and says what
was not as it must be. Needs no root, the kernel of npm run uml:build, and the packages bird2, frr, gobgpd, openbgpd, exabgp.`;

const limits = { sessions: 60_000, minutes: 100_000, keepalive: 21_845 };

const longestVirtualHours = 1_000;

/** How long the sessions may take to come up before the run is pointless. */
const patienceMs = 60_000;

interface SoakOptions {
  sessions: number;
  minutes: number;
  keepalive: number;
}

function parse(argv: readonly string[]): SoakOptions {
  const options: SoakOptions = { sessions: 1000, minutes: 10, keepalive: 3 };
  for (let index = 0; index < argv.length; index += 2) {
    const name = (argv[index] ?? "").replace(/^--/, "");
    const value = Number(argv[index + 1]);
    if (name !== "sessions" && name !== "minutes" && name !== "keepalive")
      throw new RangeError(`unknown option ${name}`);
    if (!(value > 0 && value <= limits[name]) || (name !== "minutes" && !Number.isInteger(value)))
      throw new RangeError(`--${name} must be a number from 1 to ${limits[name]}, not ${argv[index + 1]}`);
    options[name] = value;
  }
  return options;
}

/** Undefined unless virtual time was asked for. */
function virtualHours([name, value, ...more]: readonly string[]): number | undefined {
  if (name !== "--virtual-hours") return undefined;
  const hours = Number(value);
  if (more.length > 0 || !(hours > 0 && hours <= longestVirtualHours))
    throw new RangeError(`--virtual-hours stands alone, with a number up to ${longestVirtualHours}`);
  return hours;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, speakerAddress.toString(), resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("there is no free port");
  return address.port;
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

class Soak {
  readonly #options: SoakOptions;
  readonly #speaker: BgpSpeaker;
  readonly #port: number;
  readonly #losses: string[] = [];
  #up = 0;

  constructor(options: SoakOptions, port: number) {
    this.#options = options;
    this.#port = port;
    this.#speaker = createSpeaker({
      routerId: speakerAddress.w0,
      listen: { addresses: [speakerAddress], port },
      clock: systemClock,
      logger: silentLogger,
      random: Math.random,
      sockets: nativeSockets,
      listener: {
        onLocRibChanges: () => {},
        onInitialConvergence: () => {},
        onPeerStateChange: (peer, state, reason) => {
          if (state === "Established") this.#up++;
          else {
            this.#up--;
            this.#losses.push(`${peer}: ${reason?.text}`);
          }
        },
      },
    });
  }

  /** Returns true if nothing was lost. */
  async run(): Promise<boolean> {
    const { sessions, minutes, keepalive } = this.#options;
    await this.#speaker.start();
    this.#speaker.setPeers(
      Array.from({ length: sessions }, (_, index) =>
        peering({ name: `client ${index}`, address: clientAddress(index), port: this.#port, passive: true }, keepalive),
      ),
    );
    const clients = await this.#startClients();
    try {
      await this.#bringUp(clients);
      await this.#hold(minutes);
      return this.#losses.length === 0;
    } finally {
      await this.#speaker.stop("shutdown");
      clients.disconnect();
    }
  }

  async #startClients(): Promise<ChildProcess> {
    const { sessions, keepalive } = this.#options;
    const program = fileURLToPath(new URL("clients.js", import.meta.url));
    const clients = fork(program, [sessions, this.#port, keepalive].map(String));
    await once(clients, "message");
    clients.on("message", (text) => this.#losses.push(String(text)));
    return clients;
  }

  async #bringUp(clients: ChildProcess): Promise<void> {
    const { sessions } = this.#options;
    const startMs = performance.now();
    const before = process.cpuUsage();
    clients.send("go");
    while (this.#up < sessions) {
      if (performance.now() - startMs > patienceMs) throw new Error(`only ${this.#up} of ${sessions} sessions came up`);
      await wait(1);
    }
    const tookMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(before);
    console.log(
      `${sessions} sessions were up after ${tookMs.toFixed(0)} ms, with ${((user + system) / 1000).toFixed(0)} ms of CPU on this side`,
    );
  }

  async #hold(minutes: number): Promise<void> {
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    const endMs = performance.now() + minutes * 60_000;
    while (performance.now() < endMs) {
      await wait(Math.min(30_000, Math.max(0, endMs - performance.now())));
      const leftMin = Math.max(0, endMs - performance.now()) / 60_000;
      console.log(`${this.#up} up, ${this.#losses.length} losses, ${leftMin.toFixed(1)} minutes to go`);
    }
    delay.disable();
    // The histogram holds whole intervals between two samples.
    const late = (nanoseconds: number) => `${Math.max(0, nanoseconds / 1e6 - 10).toFixed(1)} ms`;
    const received = this.#speaker.peers().reduce((sum, { counters }) => sum + counters.messagesReceived, 0);
    const { user, system } = process.cpuUsage();
    console.log(
      `event loop late by p50 ${late(delay.percentile(50))}, p99 ${late(delay.percentile(99))}, at most ${late(delay.max)}; ` +
        `${received} messages received; ${((user + system) / 1e6).toFixed(1)} s of CPU; ` +
        `${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
    );
    for (const loss of this.#losses.slice(0, 20)) console.log(loss);
    console.log(`${this.#losses.length} sessions lost`);
  }
}

const argv = process.argv.slice(2);
if (argv.includes("--help") || argv.includes("-h")) console.log(usage);
else {
  try {
    const hours = virtualHours(argv);
    const done = hours === undefined ? await new Soak(parse(argv), await freePort()).run() : await soakVirtually(hours);
    process.exitCode = done ? 0 : 1;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(`${error.message}\n${usage}`);
    process.exitCode = 2;
  }
}
