import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";

/** Two names of one number: the kernel's own spelling wins. */
const SECOND_NAMES = new Set(["EWOULDBLOCK", "ENOTSUP", "EDEADLOCK"]);

/** Numbers that the kernel hands out although no libc header has them. */
const KERNEL_ONLY: readonly (readonly [number, string, string])[] = [[524, "ENOTSUPP", "operation is not supported"]];

const names = new Map<number, string>(
  Object.entries(constants.errno)
    .filter(([name]) => !SECOND_NAMES.has(name))
    .map(([name, number]) => [number, name]),
);
const texts = new Map<number, string>([...getSystemErrorMap()].map(([number, [, text]]) => [-number, text]));
for (const [number, name, text] of KERNEL_ONLY) {
  names.set(number, name);
  texts.set(number, text);
}

/** Name of a positive errno, e.g. 17 is "EEXIST"; "E" and the number if it has none. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** What a positive errno means, in English, e.g. "file already exists". */
export function errnoText(errno: number): string {
  return texts.get(errno) ?? `system error ${errno}`;
}
