import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const program = join(process.cwd(), "dist/bin/calibird.js");
let folder: string;
let agent: ChildProcess | undefined;

beforeEach(() => {
  expect(existsSync(program), "run npm run build first").toBe(true);
  folder = mkdtempSync(join(tmpdir(), "calibird-agent-start-"));
});
afterEach(() => {
  agent?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** An agent in a network of its own, which waits at its start for an address that no interface has. */
function startAgent(): { process: ChildProcess; log: () => string } {
  const directories = ["--run-dir", join(folder, "run"), "--state-dir", join(folder, "state")];
  const datastore = ["--datastore", "embedded", "--embedded-path", join(folder, "datastore")];
  const node = ["--node-name", "n1", "--ip", "172.30.0.9/24"];
  const argv = ["--net", process.execPath, program, "agent", ...node, ...directories, ...datastore];
  const child = spawn("unshare", argv, { stdio: ["ignore", "pipe", "inherit"] });
  agent = child;
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  return { process: child, log: () => log };
}

describe("an agent that is still starting", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("ends with 0 on %s and leaves no socket behind", async (signal) => {
    const { process: child, log } = startAgent();
    const socket = join(folder, "run", "agent.sock");
    await vi.waitFor(() => expect(existsSync(socket)).toBe(true), { timeout: 20_000 });
    expect(log()).not.toContain("calibird is running");
    const ended = once(child, "exit");
    child.kill(signal);
    expect(await ended).toEqual([0, null]);
    expect(log()).not.toContain("no interface has this node's address");
    expect(log()).not.toContain("calibird is running");
    expect(existsSync(socket)).toBe(false);
  });
});
