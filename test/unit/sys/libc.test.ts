import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CalibirdError } from "../../../src/core/errors.ts";
import { flock, SyscallError } from "../../../src/sys/libc.ts";

describe("flock", () => {
  let folder = "";
  const fds: number[] = [];
  const open = (): number => {
    const fd = openSync(join(folder, "lock"), "a");
    fds.push(fd);
    return fd;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "calibird-flock-"));
  });
  afterEach(() => {
    for (const fd of fds.splice(0)) closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  test("lets one holder in and tells the next that it would block", () => {
    const [first, second] = [open(), open()];
    expect(flock(first, "exclusive", true)).toBe(true);
    expect(flock(second, "exclusive", true)).toBe(false);
    expect(flock(second, "shared", true)).toBe(false);
    flock(first, "unlock", false);
    expect(flock(second, "exclusive", true)).toBe(true);
  });

  test("lets several share", () => {
    expect(flock(open(), "shared", true)).toBe(true);
    expect(flock(open(), "shared", true)).toBe(true);
    expect(flock(open(), "exclusive", true)).toBe(false);
  });

  test("says which call failed on which descriptor, and why", () => {
    const attempt = () => flock(1_000_000, "exclusive", true);
    expect(attempt).toThrow(SyscallError);
    expect(attempt).toThrow(CalibirdError);
    expect(attempt).toThrow(expect.objectContaining({ syscall: "flock", errno: 9, code: "EBADF" }));
    expect(attempt).toThrow("file descriptor 1000000");
  });
});
