import type { Bench } from "../support/bench.ts";
import type { DaemonName } from "../support/daemons/daemon.ts";
import { type Remark, remarks } from "./remarks.ts";
import type { Scenario } from "./scenario.ts";

/** How often a daemon may say something new in a run, which has some ten sessions with it. */
const accidents = 3;

/** What came of every check with every daemon, as docs/interop.md shows it. */
export class ResultTable {
  readonly #daemons: readonly DaemonName[];
  readonly #features: Scenario["features"];
  readonly #passed = new Set<string>();
  readonly #versions = new Map<DaemonName, string>();
  readonly #seen = new Map<Remark, number>();
  /** Lines that nobody has looked into, by what they say but for their numbers. */
  readonly #unknown = new Map<string, { readonly line: string; count: number }>();
  /** Of a daemon: kinds of capabilities. */
  readonly #offered = new Map<DaemonName, ReadonlySet<string>>();

  constructor(daemons: readonly DaemonName[], features: Scenario["features"]) {
    this.#daemons = daemons;
    this.#features = features;
  }

  passed(feature: string, daemon: DaemonName): void {
    this.#passed.add(`${daemon}: ${feature}`);
  }

  /** Keeps what a daemon has said and offered until its end. */
  async remember({ daemon, offered }: Bench): Promise<void> {
    this.#offered.set(daemon.name, new Set([...(this.#offered.get(daemon.name) ?? []), ...offered]));
    this.#versions.set(daemon.name, await daemon.version());
    for (const line of daemon.complaints()) {
      const remark = remarks[daemon.name].find(({ pattern }) => pattern.test(line));
      if (remark === undefined) this.#wonder(`${daemon.name}: ${line}`);
      else this.#seen.set(remark, (this.#seen.get(remark) ?? 0) + 1);
    }
  }

  #wonder(line: string): void {
    const kind = line.replaceAll(/\d+/g, "N");
    const known = this.#unknown.get(kind);
    if (known === undefined) this.#unknown.set(kind, { line, count: 1 });
    else known.count++;
  }

  /** Cells that are neither passed nor explained. */
  get failures(): string[] {
    return this.#features.flatMap((row) =>
      this.#daemons.flatMap((daemon) => (this.#cell(row, daemon) === "**no**" ? [`${daemon}: ${row.feature}`] : [])),
    );
  }

  /** Daemons that offer what they are said to lack. */
  get gains(): string[] {
    return this.#features.flatMap(({ feature, lacking, capability }) =>
      this.#daemons.flatMap((daemon) =>
        lacking?.[daemon] !== undefined && capability !== undefined && this.#offered.get(daemon)?.has(capability)
          ? [`${daemon} offers ${capability}, and is said to lack: ${feature}`]
          : [],
      ),
    );
  }

  /** Complaints that nobody has looked into and that are no accident: a busy machine may bring a daemon to say anything once. */
  get unexplained(): string[] {
    return [...this.#unknown.values()].filter(({ count }) => count > accidents).map(({ line }) => line);
  }

  /** All complaints that nobody has looked into, and known ones that were not heard in this run. */
  get surprises(): string[] {
    const missing = this.#daemons.flatMap((daemon) =>
      remarks[daemon].flatMap((remark) =>
        remark.isRare || this.#seen.has(remark) ? [] : [`${daemon} does not say any more: ${remark.text}`],
      ),
    );
    return [...[...this.#unknown.values()].map(({ line, count }) => `${count} × new: ${line}`), ...missing];
  }

  /** How often each known complaint was heard. */
  get counts(): string {
    return [...this.#seen].map(([{ text }, count]) => `${count} × ${text}`).join("\n");
  }

  /** The page. */
  toString(): string {
    const header = ["", ...this.#daemons.map((daemon) => `${daemon} ${this.#versions.get(daemon) ?? ""}`)];
    const rows = this.#features.map((row) => [row.feature, ...this.#daemons.map((daemon) => this.#cell(row, daemon))]);
    const table = [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
    return [
      "# Interoperability",
      "",
      "What our BGP speaker and five others do with each other, as the last run of the interop lane found it. The lane writes this",
      "page (`WRITE_INTEROP=yes npm test -- interop`) and fails if a run shows something else. The daemons are those of Debian 12.",
      "",
      "- **yes**: checked, at both ends where both show it",
      "- **lacks**: the daemon does not have it; why is below the table",
      "",
      ...table,
      "",
      "## What they lack",
      "",
      ...this.#lacks(),
      "",
      "## What they complain of",
      "",
      "Everything above the level of information that the daemons write into their logs during the checks. The lane fails on a line",
      "that is not in this list.",
      ...this.#daemons.flatMap((daemon) => this.#complaints(daemon)),
      "",
    ].join("\n");
  }

  #cell({ feature, lacking }: Scenario["features"][number], daemon: DaemonName): string {
    if (lacking?.[daemon] !== undefined) return "lacks";
    return this.#passed.has(`${daemon}: ${feature}`) ? "yes" : "**no**";
  }

  #lacks(): string[] {
    return this.#daemons.flatMap((daemon) => {
      const features = this.#features.filter(({ lacking }) => lacking?.[daemon] !== undefined);
      if (features.length === 0) return [];
      return [`- **${daemon}**`, ...features.map(({ feature, lacking }) => `  - ${feature}: ${lacking?.[daemon]}`)];
    });
  }

  #complaints(daemon: DaemonName): string[] {
    const lines = remarks[daemon].map(({ text, meaning }) => `- \`${text}\`: ${meaning}`);
    return ["", `**${daemon}**`, "", ...(lines.length === 0 ? ["- nothing"] : lines)];
  }
}
