import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SecretFiles } from "../../../../src/agent/peering/secret-files.ts";
import { type Logger, silentLogger } from "../../../../src/core/logger.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";

let directory = "";
let clock: ManualClock;
let secrets: SecretFiles;
let changes: number;
let warnings: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "calibird-secrets-"));
  mkdirSync(join(directory, "bgp"));
  clock = new ManualClock();
  changes = 0;
  warnings = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (fields, message) => warnings.push(`${JSON.stringify(fields)} ${message}`),
  };
  secrets = new SecretFiles({ directory, clock, logger });
  secrets.onChange(() => {
    changes++;
  });
});
afterEach(() => {
  secrets.stop();
  rmSync(directory, { recursive: true });
});

const tor = { name: "bgp", key: "tor" };
const write = (text: string): void => writeFileSync(join(directory, "bgp", "tor"), text);
const passwordOf = (reference: { name?: string; key: string; optional?: boolean }): string | undefined => {
  const answer = secrets.get(reference);
  return "problem" in answer ? answer.problem : answer.secret?.reveal();
};

describe("a password in a file", () => {
  it("is what the file says without a line feed at its end", () => {
    write("hunter2\n");
    expect(passwordOf(tor)).toBe("hunter2");
    expect(secrets.get(tor)).toEqual(secrets.get(tor));
  });

  it("keeps what else there is, blanks and further lines", () => {
    write(" one \n two\r\n");
    expect(passwordOf(tor)).toBe(" one \n two");
  });

  it("is read again, and the listener told once per change", () => {
    write("one");
    expect(passwordOf(tor)).toBe("one");
    clock.advance(10_000);
    expect(changes).toBe(0);
    write("two");
    clock.advance(10_000);
    expect(changes).toBe(1);
    expect(passwordOf(tor)).toBe("two");
  });

  it("follows a folder that Kubernetes exchanges", () => {
    for (const version of ["v1", "v2"]) {
      mkdirSync(join(directory, version));
      writeFileSync(join(directory, version, "tor"), version);
    }
    symlinkSync("v1", join(directory, "mounted"));
    expect(passwordOf({ name: "mounted", key: "tor" })).toBe("v1");
    rmSync(join(directory, "mounted"));
    symlinkSync("v2", join(directory, "mounted"));
    clock.advance(2_000);
    expect(passwordOf({ name: "mounted", key: "tor" })).toBe("v2");
  });

  it("stays in force when the file goes away, with a warning that does not tell it", () => {
    write("hunter2");
    expect(passwordOf(tor)).toBe("hunter2");
    rmSync(join(directory, "bgp", "tor"));
    clock.advance(10_000);
    expect(passwordOf(tor)).toBe("hunter2");
    expect(changes).toBe(0);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(join(directory, "bgp", "tor"));
    expect(warnings[0]).not.toContain("hunter2");
  });

  it("is a problem while it is not there, unless it is optional, and comes when it is", () => {
    expect(passwordOf(tor)).toMatch(/^the password of secret bgp, key tor, can't be read: ENOENT/);
    expect(passwordOf({ ...tor, optional: true })).toBeUndefined();
    write("late");
    clock.advance(2_000);
    expect(changes).toBe(1);
    expect(passwordOf(tor)).toBe("late");
  });

  it.each([
    [{ key: "tor" }, 'secret name "" can\'t be one'],
    [{ name: "../etc", key: "tor" }, 'secret name "../etc" can\'t be one'],
    [{ name: "..", key: "tor" }, 'secret name ".." can\'t be one'],
    [{ name: "bgp", key: ".." }, 'key ".." of secret bgp can\'t be one'],
    [{ name: "bgp", key: "a/b" }, 'key "a/b" of secret bgp can\'t be one'],
  ])("never leads out of the folder: %j", (reference, problem) => {
    expect(passwordOf(reference)).toBe(problem);
  });

  it("is no longer looked after when nobody needs it", () => {
    write("one");
    secrets.get(tor);
    secrets.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
