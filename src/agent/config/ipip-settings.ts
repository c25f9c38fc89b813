import type { IpipBackendChoice } from "../tunnels/ipip-backend.ts";

const choices: readonly IpipBackendChoice[] = ["auto", "kernel", "userspace"];

/** Who carries IPIP packets. */
export function parseIpipBackend(text: string): IpipBackendChoice {
  const choice = choices.find((each) => each === text.toLowerCase());
  if (choice === undefined) throw new Error(`must be one of ${choices.join(", ")}`);
  return choice;
}
