import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";

/** Whether the kernel can make IPIP tunnels, found out in a namespace of its own. */
export function kernelHasIpip(): boolean {
  const name = `probe-${process.pid}-${randomBytes(3).toString("hex")}`;
  const ip = (...words: string[]) => spawnSync("ip", words).status === 0;
  if (!ip("netns", "add", name)) throw new Error(`cannot make namespace ${name}`);
  try {
    return ip("-n", name, "link", "add", "probe0", "type", "ipip", "remote", "192.0.2.1");
  } finally {
    ip("netns", "del", name);
  }
}
