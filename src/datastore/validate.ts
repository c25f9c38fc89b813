import type { Operation, Transaction } from "./datastore.ts";
import { DatastoreError } from "./errors.ts";

/** etcd's default `--max-txn-ops`; it holds for the compares and for each branch. */
const MAX_OPERATIONS = 128;

/**
 * Refuses what etcd would refuse, before anything is sent or queued, so that every driver gives the same error:
 * `TOO_MANY_OPERATIONS`, `DUPLICATE_KEY` (one key put twice, or put and deleted, in one branch), `INVALID_REQUEST`.
 */
export function validateTransaction(transaction: Transaction): void {
  checkCount("compares", transaction.compares.length);
  for (const compare of transaction.compares) checkKey(compare.key);
  checkBranch("success", transaction.success);
  checkBranch("failure", transaction.failure ?? []);
}

/** Refuses a time to live that is not a positive number of seconds (`INVALID_REQUEST`). */
export function validateLeaseTtl(ttlSec: number): void {
  if (!(ttlSec > 0) || !Number.isFinite(ttlSec))
    throw new DatastoreError("INVALID_REQUEST", `lease ttlSec is ${ttlSec}; it must be a number of seconds above 0`, {
      field: "ttlSec",
      value: ttlSec,
    });
}

function checkBranch(name: string, operations: readonly Operation[]): void {
  checkCount(name, operations.length);
  const put = new Set<string>();
  const deleted = new Set<string>();
  for (const operation of operations) {
    checkKey(operation.key);
    if (operation.type === "get") continue;
    const clash = put.has(operation.key) || (operation.type === "put" && deleted.has(operation.key));
    if (clash)
      throw new DatastoreError(
        "DUPLICATE_KEY",
        `the ${name} branch writes the key "${operation.key}" twice; write each key at most once`,
        { branch: name, key: operation.key },
      );
    (operation.type === "put" ? put : deleted).add(operation.key);
  }
}

function checkCount(name: string, count: number): void {
  if (count > MAX_OPERATIONS)
    throw new DatastoreError(
      "TOO_MANY_OPERATIONS",
      `a transaction with ${count} ${name} is over the limit of ${MAX_OPERATIONS}; split it`,
      { field: name, value: count, limit: MAX_OPERATIONS },
    );
}

function checkKey(key: string): void {
  if (key === "") throw new DatastoreError("INVALID_REQUEST", "a key is empty; keys start with /calico/", { key });
}
