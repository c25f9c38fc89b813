import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { guardGroup } from "./support/guard.ts";

it("ends a machine and removes its folder when the process that has started it is gone", async () => {
  const folder = mkdtempSync(join(tmpdir(), "calibird-guard-"));
  const group = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
  onTestFinished(() => void group.kill("SIGKILL"));
  const exit = once(group, "exit");
  guardGroup(group.pid, folder).abandon();
  expect(await exit).toEqual([null, "SIGKILL"]);
  await vi.waitFor(() => expect(existsSync(folder)).toBe(false), { timeout: 10_000 });
});
