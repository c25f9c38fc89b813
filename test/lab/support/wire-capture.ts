import { spawn } from "node:child_process";
import { once } from "node:events";

interface Ends {
  readonly source: string;
  readonly destination: string;
}

/** A packet as it passed one device, without what VXLAN wraps it in. */
export interface WirePacket extends Ends {
  /** The packet around it. */
  readonly outer?: Ends & { readonly port: number; readonly vni: number };
  /** What tcpdump says of it: "ICMP echo request, id 1, seq 1, length 64". */
  readonly text: string;
}

/** tcpdump on one device of a network namespace. */
export class WireCapture {
  readonly #stop: () => Promise<string>;

  private constructor(stop: () => Promise<string>) {
    this.#stop = stop;
  }

  /** Resolves when it listens; `filter` is in the words of pcap-filter(7). */
  static async start(namespace: string, device: string, filter: string): Promise<WireCapture> {
    const options = ["--immediate-mode", "-l", "-n", "-t", "-B", "16384", "-i", device];
    const child = spawn("ip", ["netns", "exec", namespace, "tcpdump", ...options, filter], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let words = "";
    let output = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const end = once(child, "close");
    while (!words.includes("listening on")) {
      await Promise.race([once(child.stderr, "data"), end]);
      if (child.exitCode !== null) throw new Error(`tcpdump does not run: ${words}`);
    }
    return new WireCapture(async () => {
      child.kill("SIGINT");
      await end;
      if (!words.includes("\n0 packets dropped by kernel")) throw new Error(`tcpdump: ${words}`);
      return output;
    });
  }

  /** Ends the capture and returns its packets; throws if some were missed, because then nothing can be said. */
  async stop(): Promise<WirePacket[]> {
    return readPackets(await this.#stop());
  }
}

/** A VXLAN packet takes two lines, the second for what is inside. */
function readPackets(output: string): WirePacket[] {
  const packets: WirePacket[] = [];
  let outer: WirePacket["outer"];
  for (const line of output.split("\n")) {
    const [, source, destination, text] = /^IP6? (\S+) > (\S+): (.*)$/.exec(line) ?? [];
    if (source === undefined || destination === undefined || text === undefined) continue;
    // By its port, 8472 passes for OTV, which has the same header.
    const [, vni] = /^(?:VXLAN|OTV), flags \[I\] \(0x08\), (?:vni|overlay 0, instance) (\d+)$/.exec(text) ?? [];
    if (vni !== undefined) {
      const at = destination.lastIndexOf(".");
      const host = source.slice(0, source.lastIndexOf("."));
      outer = {
        source: host,
        destination: destination.slice(0, at),
        port: Number(destination.slice(at + 1)),
        vni: Number(vni),
      };
      continue;
    }
    packets.push({ source, destination, text, ...(outer !== undefined && { outer }) });
    outer = undefined;
  }
  return packets;
}
