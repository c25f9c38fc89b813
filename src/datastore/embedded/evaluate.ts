import { assertNever } from "../../core/errors.ts";
import { holds } from "../compare.ts";
import type { KeyValue, OperationResponse, Transaction } from "../datastore.ts";
import { leaseNotFound } from "../errors.ts";
import type { JournalRecord, Write } from "./record.ts";
import { itemAfterPut, type StoreState } from "./state.ts";

export interface Evaluation {
  readonly succeeded: boolean;
  readonly responses: readonly OperationResponse[];
  /** What to append; absent if the transaction changes nothing. */
  readonly record?: JournalRecord;
}

/**
 * What a (valid) transaction does to a state, without doing it. An operation sees the effect of those before it in its
 * branch. Throws `LEASE_NOT_FOUND` for a put under a lease that is gone; nothing of the transaction happens then.
 */
export function evaluateTransaction(state: StoreState, transaction: Transaction): Evaluation {
  const succeeded = transaction.compares.every((compare) => holds(compare, state.get(compare.key)));
  const revision = state.revision + 1n;
  const changed = new Map<string, KeyValue | undefined>();
  const current = (key: string) => (changed.has(key) ? changed.get(key) : state.get(key));
  const writes: Write[] = [];
  const responses: OperationResponse[] = [];
  for (const operation of succeeded ? transaction.success : (transaction.failure ?? [])) {
    const item = current(operation.key);
    switch (operation.type) {
      case "get":
        responses.push(item === undefined ? { type: "get" } : { type: "get", item });
        break;
      case "delete":
        responses.push(item === undefined ? { type: "delete" } : { type: "delete", previous: item });
        if (item === undefined) break;
        writes.push({ delete: operation.key });
        changed.set(operation.key, undefined);
        break;
      case "put": {
        if (operation.lease !== undefined && state.lease(operation.lease) === undefined)
          throw leaseNotFound(operation.lease);
        const write = {
          put: operation.key,
          value: operation.value,
          ...(operation.lease !== undefined && { lease: operation.lease }),
        };
        writes.push(write);
        changed.set(operation.key, itemAfterPut(write, item, revision));
        responses.push({ type: "put" });
        break;
      }
      default:
        assertNever(operation, "operation");
    }
  }
  return { succeeded, responses, ...(writes.length > 0 && { record: { revision, writes } }) };
}
