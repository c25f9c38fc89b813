import { errorMessage } from "../../core/errors.ts";
import { checkInterfaceName } from "../../endpoint/names.ts";

/** A name that the kernel takes, and that no other device of a node has. */
export function parseDeviceName(text: string): string {
  try {
    checkInterfaceName("the name", text);
  } catch (error) {
    throw new Error(`is no device name: ${errorMessage(error)}`);
  }
  if (text === "lo" || text === "tunl0") throw new Error("is another device's name; use one such as vxlan.calico");
  return text;
}

export type ChecksumOffload = "auto" | "on" | "off";

const choices: readonly ChecksumOffload[] = ["auto", "on", "off"];

export function parseChecksumOffload(text: string): ChecksumOffload {
  const choice = choices.find((each) => each === text.toLowerCase());
  if (choice === undefined) throw new Error(`must be one of ${choices.join(", ")}`);
  return choice;
}
