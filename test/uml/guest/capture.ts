import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** An IPv4 packet as it passed one device; with a device of "any", once for each device that it passed. */
export interface Packet {
  readonly device: string;
  readonly source: string;
  readonly destination: string;
  /** What IP protocol 4 carries: the packet inside. */
  readonly inner?: { readonly source: string; readonly destination: string };
  /** What tcpdump says of the rest: "ICMP echo request, id 1, seq 1, length 64". */
  readonly text: string;
}

/** The outer header of a packet of protocol 4, apart from its addresses and identification, and the addresses inside. */
export interface OuterHeader {
  readonly tos: string;
  readonly ttl: number;
  readonly flags: string;
  readonly length: number;
  /** Source and destination: outer, then inner. */
  readonly addresses: readonly [string, string, string, string];
  /** `ICMP echo request, …` */
  readonly text: string;
}

/** tcpdump in a network namespace. */
export class Capture {
  readonly #file: string;
  readonly #stop: () => Promise<string>;

  private constructor(file: string, stop: () => Promise<string>) {
    this.#file = file;
    this.#stop = stop;
  }

  /** Resolves when it listens on all devices of the namespace, or on one; `filter` is in the words of pcap-filter(7). */
  static async start(namespace: string, filter: string, device = "any"): Promise<Capture> {
    const file = join(mkdtempSync(join(tmpdir(), "capture-")), "pcap");
    const options = ["--immediate-mode", "-n", "-U", "-Z", "root", "-B", "16384", "-i", device, "-w", file];
    const child = spawn("ip", ["netns", "exec", namespace, "tcpdump", ...options, filter], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let words = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    const end = once(child, "close");
    while (!words.includes("listening on")) {
      await Promise.race([once(child.stderr, "data"), end]);
      if (child.exitCode !== null) throw new Error(`tcpdump does not run: ${words}`);
    }
    return new Capture(file, async () => {
      child.kill("SIGINT");
      await end;
      return words;
    });
  }

  /** Ends the capture and returns its packets; throws if some were missed, because then nothing can be said. */
  async stop(): Promise<Packet[]> {
    return (await this.#end([])).split("\n").flatMap((line) => readPacket(line) ?? []);
  }

  /** As `stop`, of what protocol 4 carries, in a capture of one device. */
  async stopWithHeaders(): Promise<OuterHeader[]> {
    return readOuterHeaders(await this.#end(["-v"]));
  }

  async #end(options: readonly string[]): Promise<string> {
    const words = await this.#stop();
    if (!words.includes("\n0 packets dropped by kernel")) throw new Error(`tcpdump: ${words}`);
    const { stdout } = await run("tcpdump", ["-n", "-t", ...options, "-r", this.#file], { maxBuffer: 2 ** 28 });
    return stdout;
  }
}

/** `lan1  In  IP 10.10.1.11 > 10.10.2.13: IP 192.168.1.2 > 192.168.3.2: ICMP …`; of one device without the first two words. */
function readPacket(line: string): Packet | undefined {
  const [, device = "", rest = ""] = /^(?:(\S+)\s+(?:In|Out|P|M|B)\s+)?(IP .*)$/.exec(line) ?? [];
  const outer = readHeader(rest);
  if (outer === undefined) return undefined;
  const { text, ...addresses } = outer;
  const inner = readHeader(text);
  if (inner === undefined) return { device, ...addresses, text };
  return {
    device,
    ...addresses,
    inner: { source: inner.source, destination: inner.destination },
    text: inner.text,
  };
}

function readHeader(text: string): { source: string; destination: string; text: string } | undefined {
  const [, source, destination, rest] = /^IP (\S+) > (\S+): (.*)$/.exec(text) ?? [];
  return source === undefined || destination === undefined || rest === undefined
    ? undefined
    : { source, destination, text: rest };
}

/** Three lines of `tcpdump -v`: the outer header, its addresses with the inner header, the inner addresses with the rest. */
function readOuterHeaders(text: string): OuterHeader[] {
  const packet =
    /^IP \(tos (\w+)(?:,(?:ECT\(\d\)|CE))?, ttl (\d+), id \d+, offset 0, flags \[(\w+)\], proto IPIP \(4\), length (\d+)\)\n\s+(\S+) > (\S+): IP .*\n\s+(\S+) > (\S+): (.*)$/gm;
  return [...text.matchAll(packet)].map((match) => {
    const [, tos = "", ttl, flags = "", length, outerFrom = "", outerTo = "", from = "", to = "", rest = ""] = match;
    const addresses = [outerFrom, outerTo, from, to] as const;
    return { tos, ttl: Number(ttl), flags, length: Number(length), addresses, text: rest };
  });
}
