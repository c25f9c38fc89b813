import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { Lab } from "../../src/lab/lab.ts";

const program = fileURLToPath(new URL("../../dist/bin/calibird.js", import.meta.url));
const name = `reader-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;

afterEach(() => Lab.remove(name));

it("removes the demonstration whose output nobody reads any more", async () => {
  const demo = spawn(process.execPath, [program, "lab", "demo", "--name", name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const end = once(demo, "exit");
  await once(demo.stdout, "data");
  expect(existsSync(join("/run/calibird-lab", name))).toBe(true);
  demo.stdout.destroy();
  expect(await end).toEqual([130, null]);
  expect(existsSync(join("/run/calibird-lab", name))).toBe(false);
});
