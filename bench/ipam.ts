import { buildArena } from "./arena.ts";
import { BenchProgram, type Values } from "./bench-program.ts";
import { type ClusterStore, etcdAddress } from "./cluster.ts";
import { makeFolder, type RunOptions } from "./measure.ts";
import { crowdNodes } from "./scenarios.ts";
import { Scope } from "./scope.ts";

/** Addresses that one node takes, and each of the nodes that do so at the same time. */
const perLoneNode = 500;
const perNode = 40;

/** One process for each question, so that its memory is its own. */
export async function measureIpam(store: ClusterStore, { programs, size, signal }: RunOptions): Promise<Values> {
  const scope = new Scope();
  try {
    const folder = makeFolder(scope);
    const arena = buildArena(scope, [{ address: etcdAddress }]);
    const { writer } = await store.open(scope, arena, folder);
    const ask = async (...lines: readonly string[]): Promise<Values> => {
      const program = new BenchProgram(arena.tested, [process.execPath, programs.ipam, ...writer], signal);
      scope.defer(() => program.end());
      for (const line of lines) {
        program.tell(line);
        await program.said("done");
      }
      return program.result();
    };
    const scale = Math.min(1, size / 10_000);
    const one = await ask(`assign 1 ${Math.ceil(perLoneNode * scale)}`);
    const many = await ask(`assign ${crowdNodes} ${Math.ceil(perNode * scale)}`);
    await ask(`fill ${size}`);
    const { check_s = 0, peak_mib = 0 } = await ask("check");
    return { ...one, ...many, check_s, peak_mib };
  } finally {
    await scope.close();
  }
}
