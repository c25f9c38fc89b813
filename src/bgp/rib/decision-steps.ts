import { IpAddress } from "../../net/address.ts";
import { asPathLength, neighborAs } from "../as-path.ts";
import { WellKnownCommunity } from "../packet/well-known-communities.ts";
import type { DecisionRule, Path } from "../paths.ts";

/** A path that takes part in the choice: accepted by policy and loop checks. */
export interface Candidate {
  readonly path: Path;
  /** Cost of its next hop; undefined: cannot be reached. */
  readonly igpMetric: number | undefined;
}

/** What the process may be told to do otherwise. docs/bgp.md has the order and the names. */
export interface DecisionOptions {
  /** Largest number of equal paths used at once, 1 or more, if the best one was learned over eBGP. */
  readonly multipathEbgp: number;
  /** The same for iBGP. */
  readonly multipathIbgp: number;
  /** Also use paths whose AS_PATH differs from the best one's, if it is as long. */
  readonly multipathRelaxed: boolean;
  /** Leave out the length of the AS_PATH. */
  readonly asPathIgnore: boolean;
  /** Compare MEDs also of routes from different neighbour ASes. */
  readonly alwaysCompareMed: boolean;
  /** A route without MED counts as the worst instead of as 0. */
  readonly missingMedIsWorst: boolean;
  /** False: equals are told apart by the peer's address, not by its BGP identifier. */
  readonly compareRouterId: boolean;
}

export const defaultDecisionOptions: DecisionOptions = {
  multipathEbgp: 16,
  multipathIbgp: 16,
  multipathRelaxed: false,
  asPathIgnore: false,
  alwaysCompareMed: false,
  missingMedIsWorst: false,
  compareRouterId: true,
};

/** LOCAL_PREF of a route that carries none (received over eBGP). */
export const defaultLocalPref = 100;

const originNames = ["IGP", "EGP", "incomplete"];

/** One criterion on a whole set: the smallest `value` stays, the others leave with a text that says why. */
export interface Step {
  readonly rule: DecisionRule;
  readonly value: (candidate: Candidate) => number;
  readonly text: (loser: Candidate, winner: Candidate) => string;
  /** The option that leaves this step out. */
  readonly skippedBy?: "asPathIgnore";
}

const localPref = ({ path }: Candidate): number => path.attributes.localPref ?? defaultLocalPref;
const pathLength = ({ path }: Candidate): number => asPathLength(path.attributes.asPath);
const isExternal = ({ path }: Candidate): boolean => path.source.kind === "peer" && path.source.type === "ebgp";

/** RFC 4271 §9.1.1 and §9.1.2.2 a to b. A route of our own stands before learned ones of equal LOCAL_PREF. */
export const stepsBeforeMed: readonly Step[] = [
  {
    // RFC 9494 §4.3: before everything else of the choice.
    rule: "llgr-stale",
    value: ({ path }) => (path.attributes.communities.includes(WellKnownCommunity.longLivedStale) ? 1 : 0),
    text: () => "a route of last resort (community LLGR_STALE), and there is a better one",
  },
  {
    rule: "local-pref",
    value: (candidate) => -localPref(candidate),
    text: (loser, winner) => `lower LOCAL_PREF: ${localPref(loser)} < ${localPref(winner)}`,
  },
  {
    rule: "own-route",
    value: ({ path }) => (path.source.kind === "local" ? 0 : 1),
    text: () => "learned, and there is a route of our own",
  },
  {
    rule: "as-path",
    value: pathLength,
    text: (loser, winner) => `longer AS_PATH: ${pathLength(loser)} > ${pathLength(winner)}`,
    skippedBy: "asPathIgnore",
  },
  {
    rule: "origin",
    value: ({ path }) => path.attributes.origin,
    text: (loser, winner) =>
      `worse ORIGIN: ${originNames[loser.path.attributes.origin]} after ${originNames[winner.path.attributes.origin]}`,
  },
];

/** RFC 4271 §9.1.2.2 d to e. */
export const stepsAfterMed: readonly Step[] = [
  {
    rule: "external",
    value: (candidate) => (isExternal(candidate) ? 0 : 1),
    text: () => "iBGP, and there is an eBGP path",
  },
  {
    rule: "igp-metric",
    value: ({ igpMetric }) => igpMetric ?? 0,
    text: (loser, winner) => `higher IGP metric: ${loser.igpMetric ?? 0} > ${winner.igpMetric ?? 0}`,
  },
];

/** RFC 4271 §9.1.2.2 c: routes whose MEDs compare with each other. */
export function medGroup({ path }: Candidate, { alwaysCompareMed }: DecisionOptions): number {
  return alwaysCompareMed ? 0 : neighborAs(path.attributes.asPath);
}

export function medOf({ path }: Candidate, { missingMedIsWorst }: DecisionOptions): number {
  return path.attributes.med ?? (missingMedIsWorst ? Number.POSITIVE_INFINITY : 0);
}

export function medText(loser: Candidate, smallest: number, options: DecisionOptions): string {
  const group = medGroup(loser, options);
  const among = options.alwaysCompareMed ? "all routes" : group === 0 ? "routes of this AS" : `routes from AS ${group}`;
  const med = medOf(loser, options);
  return med === Number.POSITIVE_INFINITY
    ? `no MED, and there is ${smallest} among ${among}`
    : `higher MED: ${med} > ${smallest} among ${among}`;
}

/** How equals are ordered. */
export interface TieBreaker {
  readonly rule: DecisionRule;
  readonly compare: (a: Path, b: Path) => number;
  readonly text: (loser: Path, winner: Path) => string;
  /** The option without which this one is left out. */
  readonly needs?: "compareRouterId";
}

/** RFC 4271 §9.1.2.2 f to g with RFC 4456 §9; the path identifier makes the order total. */
export const tieBreakers: readonly TieBreaker[] = [
  {
    rule: "router-id",
    compare: (a, b) => routerId(a) - routerId(b),
    text: (loser, winner) => `higher router id: ${dotted(routerId(loser))} > ${dotted(routerId(winner))}`,
    needs: "compareRouterId",
  },
  {
    rule: "cluster-list",
    compare: (a, b) => a.attributes.clusterList.length - b.attributes.clusterList.length,
    text: (loser, winner) =>
      `longer CLUSTER_LIST: ${loser.attributes.clusterList.length} > ${winner.attributes.clusterList.length}`,
  },
  {
    rule: "peer-address",
    compare: (a, b) =>
      a.source.kind === "peer" && b.source.kind === "peer" ? a.source.address.compare(b.source.address) : 0,
    text: (loser, winner) => `higher peer address: ${peerAddress(loser)} > ${peerAddress(winner)}`,
  },
  {
    rule: "path-id",
    compare: (a, b) => a.pathId - b.pathId,
    text: (loser, winner) => `higher path id: ${loser.pathId} > ${winner.pathId}`,
  },
];

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
