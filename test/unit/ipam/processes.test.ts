import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { afterEach, expect, it } from "vitest";
import { decodeBlock } from "../../../src/ipam/codec.ts";
import { blocksPrefix } from "../../../src/ipam/keys.ts";
import { compileSources } from "../../support/compile.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

const NODES = 8;
const KILLED = 3;
const PODS = 20;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each();
});

/** Runs one node to its end, or, with `killAfter`, kills it after that many addresses; the addresses it was told of. */
async function runNode(args: readonly string[], killAfter = Number.POSITIVE_INFINITY) {
  const child: ChildProcess = spawn(process.execPath, [resolve("test/unit/ipam/assigner.mjs"), ...args]);
  undo.push(() => child.kill("SIGKILL"));
  let output = "";
  let errors = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk;
    if (output.split("\n").length > killAfter) child.kill("SIGKILL");
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  await once(child, "close");
  expect(errors).toBe("");
  return output.split("\n").slice(0, -1);
}

it("eight processes, some of them killed and started again, take addresses of one pool without a clash or a leak", async () => {
  const compiled = compileSources("src/ipam/ipam.ts", "src/datastore/embedded/open.ts");
  undo.push(compiled.dispose);
  const { store, path, dispose } = await temporaryStore();
  undo.push(dispose);
  const args = (node: number) => [compiled.directory, path, `node-${node}`, `${PODS}`];
  const told = await Promise.all(
    Array.from({ length: NODES }, async (_, node) => {
      const early = node < KILLED ? await runNode(args(node), 1 + Math.floor(Math.random() * 10)) : [];
      return [...early, ...(await runNode(args(node)))];
    }),
  );
  const { problems, allocations } = await auditIpam(store);
  expect(problems).toEqual([]);
  const lines = told.flat();
  expect(lines.length).toBeGreaterThanOrEqual(NODES * PODS);
  expect(lines.length).toBe(new Set(lines.map((line) => line.split(" ", 1)[0])).size);
  for (const line of lines) {
    const [address = "", handleId] = line.split(" ");
    expect(allocations.get(address)).toBe(handleId);
  }
  // A killed node may have taken one more address than it could tell.
  expect(allocations.size - lines.length).toBeLessThanOrEqual(KILLED);
  const owners = (await store.list(blocksPrefix(4))).items.map((item) => decodeBlock(item.key, item.value)?.affinity);
  expect(new Set(owners).size).toBe(NODES);
}, 60_000);
