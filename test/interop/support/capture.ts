import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

const run = promisify(execFile);

/** BGP's message types as tshark numbers them. */
const messageNames: Readonly<Record<string, string>> = {
  "1": "OPEN",
  "2": "UPDATE",
  "3": "NOTIFICATION",
  "4": "KEEPALIVE",
  "5": "ROUTE-REFRESH",
};

/** What one side of a session sent, as tshark read it. */
export interface SentMessages {
  /** How many of each kind: OPEN, UPDATE, KEEPALIVE, ROUTE-REFRESH, NOTIFICATION 6/3 …, and END-OF-RIB, which is no UPDATE here. */
  readonly kinds: ReadonlyMap<string, number>;
  /** Everything that tshark does not like about BGP in them. */
  readonly complaints: readonly string[];
}

/** tcpdump on the BGP port of a namespace. */
export class Capture {
  readonly #process: ChildProcess;
  readonly #file: string;
  #words = "";

  private constructor(process: ChildProcess, file: string) {
    this.#process = process;
    this.#file = file;
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#words += text;
    });
  }

  /** Resolves when it listens. */
  static async start(namespace: string, file: string, device = "eth1"): Promise<Capture> {
    const options = ["--immediate-mode", "-U", "-Z", "root", "-B", "16384", "-i", device, "-w", file];
    const child = spawn("ip", ["netns", "exec", namespace, "tcpdump", ...options, "tcp port 179"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const capture = new Capture(child, file);
    const end = once(child, "exit");
    while (!capture.#words.includes("listening on")) {
      if (child.stderr === null) throw new TypeError("tcpdump was started without its standard error");
      await Promise.race([once(child.stderr, "data"), end]);
      if (child.exitCode !== null) throw new Error(`tcpdump does not run: ${capture.#words}`);
    }
    return capture;
  }

  /** Ends the capture; throws if packets were lost, because then nothing can be said. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const end = once(this.#process, "close");
    this.#process.kill("SIGINT");
    await end;
    if (!this.#words.includes("\n0 packets dropped by kernel")) throw new Error(`tcpdump: ${this.#words}`);
  }

  /** Ends the capture; how often this address has tried to open a connection. */
  async dialsOf(address: string): Promise<number> {
    await this.stop();
    const filter = `tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.src == ${address}`;
    const { stdout } = await run("tshark", ["-r", this.#file, "-Y", filter]);
    return stdout.split("\n").length - 1;
  }

  /** Ends the capture; the distinct values of packet fields, such as `ip.ttl`, in what came from an address. */
  async fieldsOf(address: string, ...fields: readonly string[]): Promise<string[]> {
    await this.stop();
    const wanted = fields.flatMap((field) => ["-e", field]);
    const filter = `ip.src == ${address} && tcp.flags.reset == 0`;
    const { stdout } = await run("tshark", ["-r", this.#file, "-Y", filter, "-T", "fields", ...wanted]);
    return [...new Set(stdout.split("\n").filter((line) => line !== ""))].sort();
  }

  /** Ends the capture; all TTLs of what this address has sent but for refusals, which are the system's. */
  async ttlsOf(address: string): Promise<Set<number>> {
    await this.stop();
    const { stdout } = await run("tshark", [
      ...["-r", this.#file, "-Y", `ip.src == ${address} && tcp.flags.reset == 0`],
      ...["-T", "fields", "-e", "ip.ttl"],
    ]);
    return new Set(stdout.trim().split("\n").map(Number));
  }

  /** Ends the capture and has tshark read what came from an address. */
  async sentBy(address: string): Promise<SentMessages> {
    await this.stop();
    const fields = [
      "bgp.type",
      "bgp.update.withdrawn_routes.length",
      "bgp.update.path_attributes.length",
      "bgp.length",
      "bgp.notify.major_error",
      "bgp.notify.minor_error_cease",
      "_ws.expert.group",
      "_ws.expert.severity",
      "_ws.expert.message",
      "_ws.malformed",
    ];
    const { stdout } = await run(
      "tshark",
      [
        ...["-r", this.#file, "-Y", `bgp && ip.src == ${address}`, "-T", "fields", "-E", "aggregator=|"],
        ...fields.flatMap((field) => ["-e", field]),
      ],
      { maxBuffer: 256 * 2 ** 20 },
    );
    const kinds = new Map<string, number>();
    const count = (kind: string) => kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    const complaints: string[] = [];
    for (const line of stdout.split("\n").filter((text) => text !== "")) {
      const columns = line.split("\t").map((cell) => (cell === "" ? [] : cell.split("|")));
      const [types = [], withdrawn = [], attributes = [], lengths = [], codes = [], subcodes = []] = columns;
      let updates = 0;
      let notifications = 0;
      types.forEach((type, index) => {
        const name = messageNames[type] ?? `type ${type}`;
        if (name === "UPDATE") {
          const isEmpty = withdrawn[updates] === "0" && attributes[updates] === "0" && lengths[index] === "23";
          count(isEmpty ? "END-OF-RIB" : name);
          updates++;
        } else if (name === "NOTIFICATION") {
          count(`${name} ${codes[notifications]}/${subcodes[notifications] ?? "?"}`);
          notifications++;
        } else count(name);
      });
      complaints.push(...complaintsOf(columns, line));
    }
    return { kinds, complaints };
  }
}

/** Expert information that is a warning or worse, but for TCP's own remarks about the order of segments. */
function complaintsOf(columns: readonly (readonly string[])[], line: string): string[] {
  const [groups = [], severities = [], messages = [], malformed = []] = columns.slice(6);
  const warning = 0x600000;
  const sequence = 0x02000000;
  const found = severities.flatMap((severity, index) =>
    Number(severity) >= warning && Number(groups[index]) !== sequence ? [messages[index] ?? line] : [],
  );
  return malformed.length > 0 ? [...found, line] : found;
}
