import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * What tells this machine from others: a number made at the first start and kept in the state folder, and the kernel's boot. A
 * copy of the machine has the same number, but boots on its own.
 */
export function machineIdentity(stateDir: string): string {
  const path = join(stateDir, "machine");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${storedNumber(path) ?? newNumber(path)}/${boot}`;
}

function storedNumber(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

function newNumber(path: string): string {
  const number = randomUUID();
  writeFileSync(path, `${number}\n`);
  return number;
}
