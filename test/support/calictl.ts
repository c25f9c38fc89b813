import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { datastoreRoutes, datastoreStreams } from "../../src/agent/api/datastore-routes.ts";
import { UnixApiServer } from "../../src/agent/api/unix-server.ts";
import type { CommandContext } from "../../src/calictl/output.ts";
import { runCalictl } from "../../src/calictl/program.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { openEmbeddedDatastore } from "../../src/datastore/embedded/open.ts";
import { ResourceClient } from "../../src/datastore/resource-client.ts";
import { temporaryStore } from "./temporary-store.ts";

/** What a run of calictl has printed. */
export interface CalictlResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly colour?: boolean;
}

/** calictl in this process, with a real store behind a real agent socket. `dispose` ends and removes all of it. */
export async function calictlWithStore() {
  const { store, path, dispose } = await temporaryStore();
  const folder = mkdtempSync(join(tmpdir(), "calibird-calictl-"));
  const startServer = async () => {
    const started = new UnixApiServer({
      path: join(folder, "agent.sock"),
      mode: 0o600,
      routes: datastoreRoutes(store),
      streams: datastoreStreams(store),
      logger: silentLogger,
    });
    await started.start();
    return started;
  };
  let server = await startServer();
  let uids = 0;
  const createUid = () => `00000000-0000-4000-8000-${String(++uids).padStart(12, "0")}`;
  return {
    store,
    folder,
    client: new ResourceClient({ datastore: store, clock: systemClock, createUid }),
    run: (...argv: string[]) => runIn(folder, {}, argv),
    runWith: (options: RunOptions, ...argv: string[]) => runIn(folder, options, argv),
    /** Begins a command that goes on for ever; `stop` ends it. */
    follow(...argv: string[]) {
      const stopped = new AbortController();
      const stdout = new PassThrough();
      let text = "";
      stdout.on("data", (chunk) => {
        text += String(chunk);
      });
      const code = runCalictl(["--run-dir", folder, "--wait", "30", ...argv], {
        ...contextOf({}, stdout, new PassThrough()),
        signal: stopped.signal,
      });
      return {
        output: () => text,
        stop: () => {
          stopped.abort();
          return code;
        },
      };
    },
    /** Takes the agent's socket away while something happens to the store. */
    async whileAgentIsAway(act: () => Promise<void>): Promise<void> {
      await server.stop();
      await act();
      server = await startServer();
    },
    /** Makes the store forget its history. */
    async compact(): Promise<void> {
      const compactor = await openEmbeddedDatastore({ path, compaction: { journalBytes: 0, historyRevisions: 0 } });
      for (let round = 0; round < 20; round++) await compactor.revokeLease(await compactor.grantLease(60));
      await compactor.close();
    },
    /** Writes a file and returns its path. */
    file(name: string, content: string): string {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
    async dispose() {
      await server.stop();
      await dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type CalictlFixture = Awaited<ReturnType<typeof calictlWithStore>>;

async function runIn(folder: string, options: RunOptions, argv: readonly string[]): Promise<CalictlResult> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const context = contextOf(options, stdout, stderr);
  const code = await runCalictl(["--run-dir", folder, "--wait", "0", ...argv], context);
  return { code, out: String(stdout.read() ?? ""), err: String(stderr.read() ?? "") };
}

function contextOf(options: RunOptions, stdout: PassThrough, stderr: PassThrough): CommandContext {
  return {
    stdout,
    stderr,
    stdin: Readable.from([options.stdin ?? ""]),
    environment: options.environment ?? {},
    colour: options.colour ?? false,
    nowMs: () => Date.now(),
  };
}

/** A manifest of an IPPool. */
export function poolManifest(name: string, cidr: string, more = ""): string {
  return `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata:\n  name: ${name}\nspec:\n  cidr: ${cidr}\n${more}`;
}
