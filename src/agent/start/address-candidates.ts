import type { AddressFamily, IpAddress } from "../../net/address.ts";
import type { InterfaceAddress, Link } from "../../netlink/types.ts";

/** An address of this machine that a node could be reached at, or not. */
export interface AddressCandidate {
  readonly device: string;
  readonly address: IpAddress;
  readonly prefixLength: number;
}

/** A candidate with what the detection thinks of it. */
export interface JudgedCandidate extends AddressCandidate {
  /** `taken`: this is the node's address; `possible`: it would be without the better ones; `refused`: it never is. */
  readonly verdict: "taken" | "possible" | "refused";
  readonly reason: string;
}

/** What the method of detection says of a candidate: why not, or which of the things that were asked for it fits (from 0). */
export type MethodOpinion = { readonly refusal: string } | { readonly preference: number };

/** What decides between candidates, most important first; a lower number is better. */
interface Rank {
  readonly notRunning: number;
  readonly deprecated: number;
  readonly preference: number;
  readonly notTowardsDefault: number;
  readonly interfaceFromLast: number;
}

/** Of candidates with the same rank the first that the kernel lists wins. */
const sameRank = "a later address of the same interface";

const worse: Readonly<Record<keyof Rank, string>> = {
  notRunning: "its interface is down or has no carrier",
  deprecated: "it is deprecated, soon to be replaced",
  preference: "it fits a later part of the method",
  notTowardsDefault: "the default route is not by its interface",
  interfaceFromLast: "its interface is older: the last one comes first",
};

interface Ranked extends AddressCandidate {
  readonly refusal: string | undefined;
  readonly rank: Rank;
}

export interface CandidateInput {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** Index of the interface of the default route of the family, if there is one. */
  readonly defaultInterface: number | undefined;
  readonly method: (link: Link, candidate: AddressCandidate) => MethodOpinion;
}

/**
 * All addresses of a family, best first and those that cannot be at the end. The first is taken if it is not refused. Calico's
 * `first-found` looks at neither the state of an interface nor at routes; here both come before the interfaces' order.
 */
export function judgeCandidates(family: AddressFamily, input: CandidateInput): readonly JudgedCandidate[] {
  const links = new Map(input.links.map((link) => [link.index, link]));
  const ranked = input.addresses
    .filter(({ address }) => address.family === family)
    .flatMap((address) => {
      const link = links.get(address.interfaceIndex);
      return link === undefined ? [] : [rankCandidate(link, address, input)];
    });
  const possible = ranked.filter(({ refusal }) => refusal === undefined).sort(compareRanks);
  const [best] = possible;
  return [
    ...possible.map((candidate) => judge(candidate, best)),
    ...ranked.filter(({ refusal }) => refusal !== undefined).map((candidate) => judge(candidate, undefined)),
  ];
}

function rankCandidate(link: Link, found: InterfaceAddress, input: CandidateInput): Ranked {
  const { address, prefixLength, deprecated } = found;
  const candidate = { device: link.name, address, prefixLength };
  const opinion = input.method(link, candidate);
  return {
    ...candidate,
    refusal: unusable(link, found) ?? ("refusal" in opinion ? opinion.refusal : undefined),
    rank: {
      notRunning: link.up && link.running ? 0 : 1,
      deprecated: deprecated === true ? 1 : 0,
      preference: "preference" in opinion ? opinion.preference : 0,
      notTowardsDefault: link.index === input.defaultInterface ? 0 : 1,
      interfaceFromLast: -link.index,
    },
  };
}

/**
 * Why nobody can be reached there for long. An address that the kernel made up for privacy (RFC 8981) is gone tomorrow, and
 * one that somebody else has (RFC 4862 §5.4) never answers.
 */
function unusable(link: Link, { scope, temporary, duplicate }: InterfaceAddress): string | undefined {
  if (link.loopback) return "it is on the loopback interface";
  if (scope !== "universe") return `it is valid on its ${scope} only`;
  if (temporary === true) return "it is temporary (RFC 8981)";
  if (duplicate === true) return "another machine on the link has it, too";
  return undefined;
}

function judge(candidate: Ranked, best: Ranked | undefined): JudgedCandidate {
  const { device, address, prefixLength, refusal } = candidate;
  const told = { device, address, prefixLength };
  if (refusal !== undefined || best === undefined) return { ...told, verdict: "refused", reason: refusal ?? "" };
  if (candidate === best) return { ...told, verdict: "taken", reason: "the best that there is" };
  const criterion = firstDifference(candidate.rank, best.rank);
  const reason = criterion === undefined ? sameRank : worse[criterion];
  return { ...told, verdict: "possible", reason: `${best.address} is better: ${reason}` };
}

function compareRanks(left: Ranked, right: Ranked): number {
  const criterion = firstDifference(left.rank, right.rank);
  return criterion === undefined ? 0 : left.rank[criterion] - right.rank[criterion];
}

function firstDifference(left: Rank, right: Rank): keyof Rank | undefined {
  return (Object.keys(worse) as (keyof Rank)[]).find((criterion) => left[criterion] !== right[criterion]);
}
