import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { NetlinkError } from "../../src/netlink/errors.ts";
import { createNamespace, deleteNamespace } from "../../src/netlink/namespace.ts";
import { type NetlinkOptions, openNetlink } from "../../src/netlink/open.ts";
import type { NetlinkRequest, NetlinkResult } from "../../src/netlink/types.ts";

export type OpenedNetlink = Awaited<ReturnType<typeof openNetlink>>;

/** Namespaces and netlinks of one test; `dispose` takes them all away again. */
export class NetlinkFixture {
  readonly #namespaces: string[] = [];
  readonly #opened: OpenedNetlink[] = [];

  /** Makes a namespace of a unique name. */
  namespace(): { name: string; path: string } {
    const name = `nl-${process.pid}-${randomBytes(3).toString("hex")}`;
    const path = createNamespace(name);
    this.#namespaces.push(name);
    return { name, path };
  }

  async open(path: string, options: Omit<NetlinkOptions, "namespace"> = {}): Promise<OpenedNetlink> {
    const netlink = await openNetlink({ ...options, namespace: { path } });
    this.#opened.push(netlink);
    return netlink;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((netlink) => netlink.close()));
    for (const name of this.#namespaces.splice(0)) {
      try {
        deleteNamespace(name);
      } catch (error) {
        // The test has deleted it itself; the others must go all the same.
        if (!(error instanceof NetlinkError) || error.code !== "NAMESPACE_NOT_FOUND") throw error;
      }
    }
  }
}

/** What iproute2 says, as JSON. */
export function ipJson(namespace: string, ...args: string[]): Record<string, unknown>[] {
  const text = execFileSync("ip", ["-json", "-details", "-n", namespace, ...args], { encoding: "utf8" });
  return text.trim() === "" ? [] : JSON.parse(text);
}

/** Runs iproute2 for its effect. */
export function ip(namespace: string, ...args: string[]): void {
  execFileSync("ip", ["-n", namespace, ...args]);
}

/** Runs many commands of iproute2 in one process, with this thread blocked meanwhile. */
export function ipBatch(namespace: string, commands: readonly string[]): void {
  execFileSync("ip", ["-n", namespace, "-batch", "-"], { input: commands.join("\n") });
}

/** Executes requests that must all succeed. */
export async function succeed(netlink: OpenedNetlink, ...requests: NetlinkRequest[]): Promise<void> {
  const results = await netlink.execute(requests);
  for (const [index, result] of results.entries())
    if (!result.ok) throw new TypeError(`${requests[index]?.op}: ${result.code}: ${result.message}`);
}

/** "ok" or the code of each result. */
export function codes(results: readonly NetlinkResult[]): string[] {
  return results.map((result) => (result.ok ? "ok" : result.code));
}

/** Resolves once `isTrue` is, asking again after each turn of the event loop. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}
