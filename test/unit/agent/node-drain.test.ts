import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeDrain } from "../../../src/agent/node-drain.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-drain-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What the sessions of one run of the agent are told. */
function run(stateDir = join(folder, "state")): { drain: NodeDrain; told: string[] } {
  const told: string[] = [];
  const sessions = { drain: (text: string) => told.push(`drain ${text}`), undrain: () => told.push("undrain") };
  return { drain: new NodeDrain(stateDir, sessions), told };
}

describe("a drained node", () => {
  it("is drained again with the same text after every restart, until it is undrained", () => {
    const first = run();
    first.drain.restore();
    first.drain.drain("new disks");
    expect(first.told).toEqual(["drain new disks"]);
    for (let restart = 0; restart < 2; restart++) {
      const again = run();
      again.drain.restore();
      expect(again.told).toEqual(["drain new disks"]);
    }
    const last = run();
    last.drain.restore();
    last.drain.undrain();
    expect(last.told).toEqual(["drain new disks", "undrain"]);
    const fresh = run();
    fresh.drain.restore();
    expect(fresh.told).toEqual([]);
  });

  it("is not drained if the drain could not be remembered", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const { drain, told } = run(join(file, "state"));
    expect(() => drain.drain("")).toThrow("ENOTDIR");
    expect(told).toEqual([]);
  });
});
