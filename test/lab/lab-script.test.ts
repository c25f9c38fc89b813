import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
let clone: string;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(clone, path)), { recursive: true });
  writeFileSync(join(clone, path), text);
}

/** A clone with the real scripts, in which a compiler that is quick makes a lab that only waits for its end. */
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), "calibird-clone-"));
  for (const name of ["scripts", "package.json", "package-lock.json"])
    cpSync(join(root, name), join(clone, name), { recursive: true });
  write("node_modules/.package-lock.json", "{}");
  const lab = `#!/usr/bin/env node
    process.on("SIGTERM", () => { console.log("removed"); process.exit(42); });
    setTimeout(() => process.exit(1), 10_000);
    console.log("up " + process.argv.slice(2).join(" "));`;
  write(
    "node_modules/typescript/bin/tsc",
    `const { mkdirSync, writeFileSync } = require("node:fs");
    mkdirSync("dist/bin", { recursive: true });
    for (const name of ["calibird", "calictl"]) writeFileSync("dist/bin/" + name + ".js", ${JSON.stringify(lab)});`,
  );
  write("dist/package.json", '{ "type": "commonjs" }');
});

afterEach(() => rmSync(clone, { recursive: true, force: true }));

/** Starts a program of the clone, ends it as an init system would once it is up, and returns its lines and its status. */
async function terminate(program: string, args: readonly string[]) {
  const child = spawn(program, args, { cwd: clone, stdio: ["ignore", "pipe", "inherit"] });
  const end = once(child, "exit");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.startsWith("up")) child.kill("SIGTERM");
  }
  const [status] = await end;
  return { lines: lines.filter((line) => /^(up|removed)/.test(line)), status };
}

it("passes on to the lab that it shall end, waits until it is removed, and ends with its status", async () => {
  expect(await terminate(process.execPath, ["scripts/lab.mjs", "--once"])).toEqual({
    lines: ["up lab demo --once", "removed"],
    status: 42,
  });
});

it("builds programs that can be started by their names", async () => {
  const build = spawn(process.execPath, ["scripts/build.mjs"], { cwd: clone, stdio: "inherit" });
  expect(await once(build, "exit")).toEqual([0, null]);
  expect(await terminate(join(clone, "dist/bin/calibird.js"), ["agent"])).toEqual({
    lines: ["up agent", "removed"],
    status: 42,
  });
});
