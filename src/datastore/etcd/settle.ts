import { holds } from "../compare.ts";
import type { KeyValue, Operation, Transaction, TransactionResult } from "../datastore.ts";

/** What is known of a write whose answer was lost, after its keys were read. */
export type Settlement =
  /** It was made; this is the answer that was lost. */
  | { readonly type: "made"; readonly result: TransactionResult }
  /** It was not made, and may be repeated: should the first one still arrive, only one of the two can succeed. */
  | { readonly type: "not-made" }
  | { readonly type: "unknown" };

/** The keys to read, all at one revision. */
export function keysToSettle({ compares, success }: Transaction): readonly string[] {
  return [...new Set([...compares, ...success].map(({ key }) => key))];
}

/** True if the transaction can change anything. */
export function isWrite({ success, failure = [] }: Transaction): boolean {
  return [...success, ...failure].some(({ type }) => type !== "get");
}

/**
 * Judges by what the keys hold now. `sentAt` is a revision of the store from before the transaction was sent, 0 if none is
 * known: what was written later, all at one revision and with our values, is taken for ours. (Should another client have written exactly
 * the same in its place, the store holds what was asked for all the same.)
 */
export function settle(transaction: Transaction, items: ReadonlyMap<string, KeyValue>, sentAt: bigint): Settlement {
  const { compares, success } = transaction;
  if (isSelfExcluding(transaction) && compares.every((compare) => holds(compare, items.get(compare.key))))
    return { type: "not-made" };
  const revisions = new Set<bigint>();
  for (const operation of success) {
    const item = items.get(operation.key);
    // What a lost answer said of a deletion or a read can't be found out later.
    if (operation.type !== "put" || item?.value !== operation.value || item.lease !== operation.lease)
      return { type: "unknown" };
    revisions.add(item.modRevision);
  }
  const [revision] = revisions;
  if (revision === undefined || revisions.size > 1 || sentAt === 0n || revision <= sentAt) return { type: "unknown" };
  return { type: "made", result: { succeeded: true, revision, responses: success.map(() => ({ type: "put" })) } };
}

/** True if a second run fails its conditions once the first has succeeded, and neither writes anything else. */
function isSelfExcluding({ compares, success, failure = [] }: Transaction): boolean {
  if (failure.some(({ type }) => type !== "get")) return false;
  return compares.some(({ key, target, result, value }) => {
    if (result !== "equal") return false;
    const changes = ({ type }: Operation) =>
      (type === "put" && (target !== "createRevision" || value === 0n)) || (type === "delete" && value !== 0n);
    return success.some((operation) => operation.key === key && changes(operation));
  });
}
