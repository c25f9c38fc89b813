import { asPathsEqual } from "../as-path.ts";
import type { DecisionRule, Path } from "../paths.ts";
import {
  type Candidate,
  type DecisionOptions,
  medGroup,
  medOf,
  medText,
  type Step,
  stepsAfterMed,
  stepsBeforeMed,
  type TieBreaker,
  tieBreakers,
} from "./decision-steps.ts";

/** Why a candidate is not the best path. */
export interface Loss {
  readonly rule: DecisionRule;
  /** For people, with the values that were compared. */
  readonly text: string;
}

type OnLoss = (candidate: Candidate, loss: Loss) => void;

/**
 * The choice among `candidates`: the best path and then its equals for multipath, in an order that is the same whatever
 * the order of arrival. Empty if no next hop can be reached. `onLoss` hears of every candidate that is not the best.
 *
 * Every step works on the whole set that is left, so that MED, which only compares within a neighbour AS, cannot make the
 * result depend on who is compared with whom first ("deterministic MED" is not an option but how it is).
 */
export function decide(candidates: readonly Candidate[], options: DecisionOptions, onLoss?: OnLoss): readonly Path[] {
  let left = candidates.filter((candidate) => {
    if (candidate.igpMetric !== undefined) return true;
    const text = `next hop ${candidate.path.nextHop?.address ?? "of the route"} cannot be reached`;
    onLoss?.(candidate, { rule: "next-hop", text });
    return false;
  });
  for (const step of stepsBeforeMed) left = keepSmallest(left, step, options, onLoss);
  left = keepSmallestMed(left, options, onLoss);
  for (const step of stepsAfterMed) left = keepSmallest(left, step, options, onLoss);
  const ordered = left.sort((a, b) => compareEquals(a.path, b.path, options));
  const best = ordered[0];
  if (best === undefined) return [];
  if (onLoss !== undefined)
    for (const candidate of ordered) if (candidate !== best) onLoss(candidate, tie(candidate.path, best.path, options));
  return chooseMultipath(ordered, best.path, options);
}

/** The first `limit` paths in the order in which each would be the best without those before it. */
export function rank(candidates: readonly Candidate[], options: DecisionOptions, limit: number): readonly Path[] {
  const ranked: Path[] = [];
  let left = candidates;
  while (ranked.length < limit) {
    const [best] = decide(left, options);
    if (best === undefined) break;
    ranked.push(best);
    left = left.filter(({ path }) => path !== best);
  }
  return ranked;
}

function keepSmallest(
  candidates: Candidate[],
  step: Step,
  options: DecisionOptions,
  onLoss: OnLoss | undefined,
): Candidate[] {
  const [first, ...others] = candidates;
  if (first === undefined || others.length === 0) return candidates;
  if (step.skippedBy !== undefined && options[step.skippedBy]) return candidates;
  let winner = first;
  for (const candidate of others) if (step.value(candidate) < step.value(winner)) winner = candidate;
  const smallest = step.value(winner);
  return candidates.filter((candidate) => {
    if (step.value(candidate) === smallest) return true;
    onLoss?.(candidate, { rule: step.rule, text: step.text(candidate, winner) });
    return false;
  });
}

/** RFC 4271 §9.1.2.2 c: within each group the lowest MED stays. */
function keepSmallestMed(candidates: Candidate[], options: DecisionOptions, onLoss: OnLoss | undefined): Candidate[] {
  if (candidates.length < 2) return candidates;
  const smallest = new Map<number, number>();
  for (const candidate of candidates) {
    const group = medGroup(candidate, options);
    smallest.set(group, Math.min(medOf(candidate, options), smallest.get(group) ?? Number.POSITIVE_INFINITY));
  }
  return candidates.filter((candidate) => {
    const best = smallest.get(medGroup(candidate, options)) ?? 0;
    if (medOf(candidate, options) === best) return true;
    onLoss?.(candidate, { rule: "med", text: medText(candidate, best, options) });
    return false;
  });
}

function applies({ needs }: TieBreaker, options: DecisionOptions): boolean {
  return needs === undefined || options[needs];
}

function compareEquals(a: Path, b: Path, options: DecisionOptions): number {
  for (const tieBreaker of tieBreakers) {
    const order = applies(tieBreaker, options) ? tieBreaker.compare(a, b) : 0;
    if (order !== 0) return order;
  }
  return 0;
}

function tie(loser: Path, winner: Path, options: DecisionOptions): Loss {
  const decisive = tieBreakers.find((breaker) => applies(breaker, options) && breaker.compare(loser, winner) !== 0);
  if (decisive === undefined) return { rule: "path-id", text: "same in every respect" };
  return { rule: decisive.rule, text: decisive.text(loser, winner) };
}

/** One path per next hop; routes of our own are never balanced with others. */
function chooseMultipath(ordered: readonly Candidate[], best: Path, options: DecisionOptions): readonly Path[] {
  const chosen = [best];
  if (best.source.kind === "local") return chosen;
  const limit = best.source.type === "ebgp" ? options.multipathEbgp : options.multipathIbgp;
  for (const { path } of ordered) {
    if (chosen.length >= limit) break;
    if (path === best || path.nextHop === undefined) continue;
    if (!options.multipathRelaxed && !asPathsEqual(path.attributes.asPath, best.attributes.asPath)) continue;
    const { address } = path.nextHop;
    if (!chosen.some((other) => other.nextHop?.address.equals(address))) chosen.push(path);
  }
  return chosen;
}
