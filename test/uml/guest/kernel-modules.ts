import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Has the kernel load a module, unless it has no modules because everything is built in, as with `npm run uml:build`. */
export function loadModule(name: string): void {
  if (existsSync("/proc/modules")) execFileSync("modprobe", [name]);
}
