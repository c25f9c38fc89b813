import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { DatastoreError } from "../errors.ts";
import type { Journal } from "./journal.ts";
import { dueLeaseRecord } from "./lease-rules.ts";
import { encodeLine, type JournalRecord } from "./record.ts";
import type { StoreState } from "./state.ts";

/** What a request comes to: its answer, and the record that makes it true, if it changes anything. */
export interface JobDecision<T> {
  readonly answer: T;
  readonly record?: JournalRecord;
}

/** A request in the queue. */
export interface CommitJob {
  /** Decides against a state; throws what the caller is to get. */
  prepare(state: StoreState): { readonly resolve: () => void; readonly record: JournalRecord | undefined };
  reject(error: unknown): void;
}

interface Answer {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The critical section, without a wait in it: takes over what others wrote, repairs a torn tail, ends overdue leases,
 * decides the requests one after the other, and appends all their records with one write. Requests that were refused or
 * could not be written are rejected here; `answers` are the others, to be resolved once the journal is synced.
 */
export function commitJobs(
  journal: Journal,
  jobs: readonly CommitJob[],
  context: { readonly nowMs: number; readonly bootId: string; readonly logger: Logger },
): { readonly answers: readonly Answer[]; readonly wrote: boolean } {
  journal.catchUp();
  const torn = journal.repairTail();
  if (torn > 0)
    context.logger.warn({ file: journal.path, bytes: torn }, "cut off the unfinished line of a writer that died");

  const lines: Buffer[] = [];
  let end = journal.end;
  const take = (record: JournalRecord) => {
    const line = encodeLine(record);
    if (!journal.state.apply(record, end)) throw new Error(`revision ${record.revision} is out of turn`);
    lines.push(line);
    end += line.length;
  };

  const { state } = journal;
  for (;;) {
    const due = dueLeaseRecord(state, context.nowMs, context.bootId);
    if (due === undefined) break;
    take(due);
  }
  const decided: (Answer & { readonly end: number })[] = [];
  for (const job of jobs) {
    try {
      const { resolve, record } = job.prepare(state);
      if (record !== undefined) take(record);
      decided.push({ resolve, reject: (error) => job.reject(error), end });
    } catch (error) {
      job.reject(error);
    }
  }
  if (lines.length === 0) return { answers: decided, wrote: false };
  try {
    journal.append(Buffer.concat(lines));
    return { answers: decided, wrote: true };
  } catch (error) {
    return { answers: keepWritten(journal, decided, error), wrote: true };
  }
}

/** After a write that failed, perhaps half-way: complete lines stand, since readers may have seen them; the rest is undone. */
function keepWritten(
  journal: Journal,
  decided: readonly (Answer & { readonly end: number })[],
  cause: unknown,
): readonly Answer[] {
  journal.reload();
  const message = `${journal.path} could not be written: ${errorMessage(cause)}; nothing was changed, free some space`;
  const error = new DatastoreError("DATASTORE_UNAVAILABLE", message, { file: journal.path }, cause);
  for (const answer of decided) if (answer.end > journal.end) answer.reject(error);
  return decided.filter((answer) => answer.end <= journal.end);
}
