import { join } from "node:path";
import { pino } from "pino";
import { errorMessage } from "../../core/errors.ts";
import type { AddressFamily } from "../../net/address.ts";
import { openNetlink } from "../../netlink/open.ts";
import { findNodeName } from "../config/node-name.ts";
import type { AgentConfig } from "../config/settings.ts";
import type { JudgedCandidate } from "./address-candidates.ts";
import { type DetectionInput, detectAddress, resolveNodeAddress } from "./detect-address.ts";
import { readMachine } from "./machine.ts";
import { addressText } from "./own-addresses.ts";

/** How the agent of this machine would come by its address of one family. */
export interface AddressExplanation {
  readonly family: AddressFamily;
  /** What is set, and what follows from it. */
  readonly wish: string;
  /** `10.0.0.1/24`; undefined if the node has none of this family. */
  readonly address?: string;
  /** Why there is none although there should be. */
  readonly problem?: string;
  /** What is on the interfaces, best first, and what the method of detection thinks of it. */
  readonly candidates: readonly JudgedCandidate[];
}

/** What `calibird agent --explain-address` tells. */
export interface NodeExplanation {
  readonly name: string;
  readonly nameFrom: string;
  readonly families: readonly AddressExplanation[];
}

/** Looks at settings and interfaces as an agent does at its start, and changes nothing. Throws a CalibirdError. */
export async function explainAddresses(config: AgentConfig): Promise<NodeExplanation> {
  const { name, from } = findNodeName(config.nodeName, join(config.stateDir, "nodename"));
  let failed: Error | undefined;
  const netlink = await openNetlink({
    logger: pino({ level: "silent" }),
    onFailure: (error) => {
      failed = error;
    },
  });
  try {
    const machine = await readMachine(netlink, config.hostIps);
    const families = await Promise.all(([4, 6] as const).map((family) => explainFamily(family, config, machine)));
    if (failed !== undefined) throw failed;
    return { name, nameFrom: from, families };
  } finally {
    await netlink.close();
  }
}

async function explainFamily(
  family: AddressFamily,
  config: AgentConfig,
  machine: DetectionInput,
): Promise<AddressExplanation> {
  const [flag, wanted, method] =
    family === 4
      ? (["--ip", config.ip, config.ipAutodetectionMethod] as const)
      : (["--ip6", config.ip6, config.ip6AutodetectionMethod] as const);
  const otherwise = family === 4 ? "autodetect" : "none";
  const told = { family, wish: wishText(flag, wanted, otherwise, method) };
  try {
    const candidates = await detectAddress(family, method, machine);
    const found = await resolveNodeAddress(family, wanted ?? otherwise, method, machine).then(
      (address) => ({ ...(address !== undefined && { address: addressText(address) }) }),
      (error: unknown) => ({ problem: errorMessage(error) }),
    );
    return { ...told, ...found, candidates: candidates.map((one) => asWished(one, wanted ?? otherwise)) };
  } catch (error) {
    return { ...told, problem: errorMessage(error), candidates: [] };
  }
}

/** Where nothing is detected the table says what would be, and which address is given. */
function asWished(candidate: JudgedCandidate, wanted: string): JudgedCandidate {
  if (wanted === "autodetect") return candidate;
  if (wanted.split("/")[0] === candidate.address.toString())
    return { ...candidate, verdict: "taken", reason: "the settings name it" };
  return candidate.verdict === "taken"
    ? { ...candidate, verdict: "possible", reason: "autodetect would take it" }
    : candidate;
}

function wishText(flag: string, wanted: string | undefined, otherwise: string, method: string): string {
  const effective = wanted ?? otherwise;
  const how = effective === "autodetect" ? `autodetect by ${method}` : effective;
  return wanted === undefined ? `${flag} is not set: the address in the stored Node, else ${how}` : `${flag} ${how}`;
}
