import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab, LabNodeView } from "../../../src/lab/lab.ts";
import type { Capture } from "./capture.ts";

/** A route as `birdc show route all` prints it. */
export interface BirdRoute {
  readonly prefix: string;
  /** The protocol that it came from. */
  readonly protocol: string;
  readonly best: boolean;
  /** `BGP.as_path`, `BGP.next_hop` and so on, as text. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Writes the files that a router is started with. `debug` decides what BIRD logs of its protocols. */
export function writeBirdFiles(folder: string, routerId: string, config: string): void {
  writeFileSync(join(folder, "flags"), "\n");
  const common = ["log stderr all;", `router id ${routerId};`, "debug protocols { states, events };"];
  writeFileSync(
    join(folder, "bird.conf"),
    `${common.join("\n")}\nprotocol device { scan time 2; }\n${kernelExport}\n${config}\n`,
  );
}

/** What BIRD hears by BGP goes into its kernel, so that it can answer pods. */
const kernelExport = "protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }";

/** Log lines that are no complaint about the peer. */
const harmless: readonly RegExp[] = [
  /<(TRACE|INFO)> /,
  // The shell's, about a BIRD that was killed.
  /^Killed$/,
  // BIRD runs before its own address is there.
  /<ERR> \w+: Socket error: bind: Cannot assign requested address$/,
];

/** One BIRD of a lab, asked through birdc and read through its log. */
export class BirdRouter {
  readonly address: string;
  readonly capture: Capture;
  readonly #lab: Lab;
  readonly #view: LabNodeView;
  readonly #folder: string;

  constructor(lab: Lab, view: LabNodeView, address: string, folder: string, capture: Capture) {
    this.#lab = lab;
    this.#view = view;
    this.address = address;
    this.#folder = folder;
    this.capture = capture;
  }

  get networkNamespace(): string {
    return this.#view.networkNamespace;
  }

  /** What birdc answers; throws if BIRD does not take the command. */
  async birdc(...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#lab.exec(this.#view.name, [
      "birdc",
      "-s",
      "/run/bird.ctl",
      ...command,
    ]);
    if (code !== 0) throw new Error(`birdc ${command.join(" ")}: ${stdout}${stderr}`);
    return stdout.replace(/^BIRD .* ready\.\n/, "");
  }

  /** `show protocols all NAME`. */
  async protocol(name: string): Promise<string> {
    return this.birdc("show", "protocols", "all", name);
  }

  async isEstablished(name: string): Promise<boolean> {
    return /BGP state:\s+Established/.test(await this.protocol(name));
  }

  /** The routes that a protocol brought in, with all their attributes. */
  async routes(protocol: string): Promise<BirdRoute[]> {
    return parseRoutes(await this.birdc("show", "route", "protocol", protocol, "all"));
  }

  /** True while BIRD keeps the peer's routes as stale ones (RFC 4724 §4.2). */
  async keepsStaleRoutes(name: string): Promise<boolean> {
    return (await this.protocol(name)).includes("Neighbor graceful restart active");
  }

  /** Rewrites the protocols of the configuration for the next start or `configure`. */
  rewrite(config: string): void {
    writeBirdFiles(this.#folder, this.address, config);
  }

  /** Rewrites the protocols of the configuration and has BIRD read it; its sessions go on where they can. */
  async configure(config: string): Promise<string> {
    this.rewrite(config);
    return this.birdc("configure");
  }

  kill(): Promise<void> {
    return this.#lab.killNode(this.#view.name, "SIGKILL");
  }

  /** Starts BIRD again; `gracefully` as it is started to recover what it knew (`-R`). */
  async start(gracefully: boolean): Promise<void> {
    writeFileSync(join(this.#folder, "flags"), gracefully ? "-R\n" : "\n");
    await this.#lab.startNode(this.#view.name);
  }

  get log(): readonly string[] {
    return readFileSync(this.#view.log, "utf8").split("\n");
  }

  /** Lines of the log that are more than a report of what happens, except those that the test expects. */
  complaints(expected: readonly RegExp[] = []): string[] {
    const suspicious = /<TRACE> .*(invalid|malformed|\bbad\b|error|unexpected)/i;
    return this.log
      .filter((line) => line !== "" && (suspicious.test(line) || !harmless.some((pattern) => pattern.test(line))))
      .filter((line) => !expected.some((pattern) => pattern.test(line)));
  }
}

/** Reads the answer of `show route all`. */
export function parseRoutes(answer: string): BirdRoute[] {
  const routes: { prefix: string; protocol: string; best: boolean; attributes: Record<string, string> }[] = [];
  let prefix = "";
  for (const line of answer.split("\n")) {
    const head = /^(\S+\/\d+)?\s+(?:unicast|blackhole|unreachable) \[(\S+) [^\]]*\]( \*)?/.exec(line);
    if (head !== null) {
      prefix = head[1] ?? prefix;
      routes.push({ prefix, protocol: head[2] ?? "", best: head[3] !== undefined, attributes: {} });
      continue;
    }
    const attribute = /^\t((?:BGP|Type)[^:]*): ?(.*)$/.exec(line);
    const route = routes.at(-1);
    if (attribute?.[1] !== undefined && route !== undefined) route.attributes[attribute[1]] = attribute[2] ?? "";
  }
  return routes;
}
