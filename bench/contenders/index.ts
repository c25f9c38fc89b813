import type { Scenario } from "../scenarios.ts";
import { bird } from "./bird.ts";
import { calibirdAgent, calibirdSpeaker } from "./calibird.ts";
import type { Contender } from "./contender.ts";
import { frr } from "./frr.ts";
import { gobgp } from "./gobgp.ts";
import { kernelWriter, nullRelay } from "./limits.ts";
import { openbgpd } from "./openbgpd.ts";

/** The daemons of others. */
export const daemons: readonly Contender[] = [bird, frr, gobgp, openbgpd];

/** Of these daemons only BIRD and FRR put routes into the kernel. */
const routingDaemons: readonly Contender[] = [bird, frr];

/** Who is measured in a scenario: the limits, calibird, and those of the wanted daemons that can do it. */
export function contendersOf(scenario: Scenario, wanted: readonly Contender[]): Contender[] {
  const able = scenario.name === "to-kernel" ? routingDaemons : daemons;
  return [
    ...(scenario.parts.includes("null-relay") ? [nullRelay] : []),
    ...(scenario.parts.includes("kernel-writer") ? [kernelWriter] : []),
    scenario.product === "agent" ? calibirdAgent : calibirdSpeaker,
    ...(scenario.parts.includes("daemons") ? wanted.filter((daemon) => able.includes(daemon)) : []),
  ];
}
