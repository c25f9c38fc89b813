import { IpAddress } from "../../net/address.ts";
import { asPathLength, asPathsEqual, neighborAs } from "../as-path.ts";
import type { Path } from "../types.ts";

/** A path that takes part in the choice: accepted by policy and loop checks. */
export interface Candidate {
  readonly path: Path;
  /** Cost of its next hop; undefined: cannot be reached. */
  readonly igpMetric: number | undefined;
}

export interface DecisionOptions {
  /** Largest number of paths used at once, 1 or more. */
  readonly multipathLimit: number;
  /** Also use paths whose AS_PATH differs from the best one's, if it is as long. */
  readonly multipathRelaxed: boolean;
}

/** LOCAL_PREF of a route that carries none (received over eBGP). */
export const defaultLocalPref = 100;

const originNames = ["IGP", "EGP", "incomplete"];

/** One criterion: the smallest `value` stays, the others leave with a text that says why. */
interface Step {
  readonly value: (candidate: Candidate) => number;
  readonly text: (loser: Candidate, winner: Candidate) => string;
}

const localPref = ({ path }: Candidate): number => path.attributes.localPref ?? defaultLocalPref;
const pathLength = ({ path }: Candidate): number => asPathLength(path.attributes.asPath);
const med = ({ path }: Candidate): number => path.attributes.med ?? 0;
const isExternal = ({ path }: Candidate): boolean => path.source.kind === "peer" && path.source.type === "ebgp";

/** RFC 4271 §9.1.1 and §9.1.2.2 a to b. A route of our own stands before learned ones of equal LOCAL_PREF. */
const stepsBeforeMed: readonly Step[] = [
  {
    value: (candidate) => -localPref(candidate),
    text: (loser, winner) => `lower LOCAL_PREF: ${localPref(loser)} < ${localPref(winner)}`,
  },
  {
    value: ({ path }) => (path.source.kind === "local" ? 0 : 1),
    text: () => "learned, and there is a route of our own",
  },
  {
    value: pathLength,
    text: (loser, winner) => `longer AS_PATH: ${pathLength(loser)} > ${pathLength(winner)}`,
  },
  {
    value: ({ path }) => path.attributes.origin,
    text: (loser, winner) =>
      `worse ORIGIN: ${originNames[loser.path.attributes.origin]} after ${originNames[winner.path.attributes.origin]}`,
  },
];

/** RFC 4271 §9.1.2.2 d to e. */
const stepsAfterMed: readonly Step[] = [
  {
    value: (candidate) => (isExternal(candidate) ? 0 : 1),
    text: () => "iBGP, and there is an eBGP path",
  },
  {
    value: ({ igpMetric }) => igpMetric ?? 0,
    text: (loser, winner) => `higher IGP metric: ${loser.igpMetric ?? 0} > ${winner.igpMetric ?? 0}`,
  },
];

/** RFC 4271 §9.1.2.2 f to g with RFC 4456 §9; the path identifier makes the order total. They order equals. */
const tieBreakers: readonly {
  readonly compare: (a: Path, b: Path) => number;
  readonly text: (loser: Path, winner: Path) => string;
}[] = [
  {
    compare: (a, b) => routerId(a) - routerId(b),
    text: (loser, winner) => `higher router id: ${dotted(routerId(loser))} > ${dotted(routerId(winner))}`,
  },
  {
    compare: (a, b) => a.attributes.clusterList.length - b.attributes.clusterList.length,
    text: (loser, winner) =>
      `longer CLUSTER_LIST: ${loser.attributes.clusterList.length} > ${winner.attributes.clusterList.length}`,
  },
  {
    compare: (a, b) =>
      a.source.kind === "peer" && b.source.kind === "peer" ? a.source.address.compare(b.source.address) : 0,
    text: (loser, winner) => `higher peer address: ${peerAddress(loser)} > ${peerAddress(winner)}`,
  },
  {
    compare: (a, b) => a.pathId - b.pathId,
    text: (loser, winner) => `higher path id: ${loser.pathId} > ${winner.pathId}`,
  },
];

/**
 * The choice among `candidates`: the best path and then its equals for multipath, in an order that is the same whatever
 * the order of arrival. Empty if no next hop can be reached. `onLoss` hears of every candidate that is not the best.
 *
 * Every step works on the whole set that is left, so that MED, which only compares within a neighbour AS, cannot make the
 * result depend on who is compared with whom first.
 */
export function decide(
  candidates: readonly Candidate[],
  options: DecisionOptions,
  onLoss?: (candidate: Candidate, reason: string) => void,
): readonly Path[] {
  let left = candidates.filter((candidate) => {
    if (candidate.igpMetric === undefined)
      onLoss?.(candidate, `next hop ${candidate.path.nextHop?.address ?? "of the route"} cannot be reached`);
    return candidate.igpMetric !== undefined;
  });
  for (const step of stepsBeforeMed) left = keepSmallest(left, step, onLoss);
  left = keepSmallestMed(left, onLoss);
  for (const step of stepsAfterMed) left = keepSmallest(left, step, onLoss);
  const ordered = left.sort((a, b) => compareEquals(a.path, b.path));
  const best = ordered[0];
  if (best === undefined) return [];
  if (onLoss !== undefined)
    for (const candidate of ordered) if (candidate !== best) onLoss(candidate, tieText(candidate.path, best.path));
  return chooseMultipath(ordered, best.path, options);
}

function keepSmallest(
  candidates: Candidate[],
  step: Step,
  onLoss: ((candidate: Candidate, reason: string) => void) | undefined,
): Candidate[] {
  const [first, ...others] = candidates;
  if (first === undefined || others.length === 0) return candidates;
  let winner = first;
  for (const candidate of others) if (step.value(candidate) < step.value(winner)) winner = candidate;
  const smallest = step.value(winner);
  return candidates.filter((candidate) => {
    if (step.value(candidate) === smallest) return true;
    onLoss?.(candidate, step.text(candidate, winner));
    return false;
  });
}

/** RFC 4271 §9.1.2.2 c: within each neighbour AS the lowest MED stays; a missing one counts as 0. */
function keepSmallestMed(
  candidates: Candidate[],
  onLoss: ((candidate: Candidate, reason: string) => void) | undefined,
): Candidate[] {
  if (candidates.length < 2) return candidates;
  const smallest = new Map<number, number>();
  for (const candidate of candidates) {
    const group = neighborAs(candidate.path.attributes.asPath);
    smallest.set(group, Math.min(med(candidate), smallest.get(group) ?? Number.POSITIVE_INFINITY));
  }
  return candidates.filter((candidate) => {
    const group = neighborAs(candidate.path.attributes.asPath);
    const best = smallest.get(group) ?? 0;
    if (med(candidate) === best) return true;
    const among = group === 0 ? "routes of this AS" : `routes from AS ${group}`;
    onLoss?.(candidate, `higher MED: ${med(candidate)} > ${best} among ${among}`);
    return false;
  });
}

function compareEquals(a: Path, b: Path): number {
  for (const { compare } of tieBreakers) {
    const order = compare(a, b);
    if (order !== 0) return order;
  }
  return 0;
}

function tieText(loser: Path, winner: Path): string {
  const decisive = tieBreakers.find(({ compare }) => compare(loser, winner) !== 0);
  return decisive?.text(loser, winner) ?? "same in every respect";
}

/** One path per next hop; routes of our own are never balanced with others. */
function chooseMultipath(ordered: readonly Candidate[], best: Path, options: DecisionOptions): readonly Path[] {
  const chosen = [best];
  for (const { path } of ordered) {
    if (chosen.length >= options.multipathLimit) break;
    if (path === best || path.nextHop === undefined) continue;
    if (!options.multipathRelaxed && !asPathsEqual(path.attributes.asPath, best.attributes.asPath)) continue;
    const { address } = path.nextHop;
    if (!chosen.some((other) => other.nextHop?.address.equals(address))) chosen.push(path);
  }
  return chosen;
}

/** RFC 4456 §9: ORIGINATOR_ID stands for the router id where it is present. */
function routerId(path: Path): number {
  return path.attributes.originatorId ?? (path.source.kind === "peer" ? path.source.identifier : 0);
}

function peerAddress(path: Path): string {
  return path.source.kind === "peer" ? path.source.address.toString() : "none";
}

function dotted(identifier: number): string {
  return IpAddress.v4(identifier).toString();
}
