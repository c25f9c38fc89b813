import type { KernelAnswer } from "./codec/message.ts";

/** What the thread gets when it starts: descriptors that the main thread opened and will close. */
export interface WorkerSetup {
  /** eventfd that the main thread adds to after posting a command. */
  readonly wakeFd: number;
  readonly requestFd: number;
  readonly monitorFd: number;
}

/** From the main thread to the worker; byte arrays are transferred. */
export type WorkerCommand =
  /** Messages for one send, of which only the last asks for an acknowledgement. */
  | {
      readonly kind: "batch";
      readonly id: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly lastSequence: number;
    }
  /** A dump, or a look-up that asks for an acknowledgement. */
  | {
      readonly kind: "query";
      readonly id: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly sequence: number;
    }
  | {
      readonly kind: "membership";
      readonly id: number;
      readonly groups: readonly number[];
      readonly isMember: boolean;
    }
  /** So many `events` reports have been dealt with. */
  | { readonly kind: "events-consumed"; readonly reports: number }
  | { readonly kind: "close" };

/** From the worker to the main thread. */
export type WorkerReport =
  | { readonly kind: "ready" }
  | { readonly kind: "batch"; readonly id: number; readonly outcome: BatchOutcome }
  | { readonly kind: "query"; readonly id: number; readonly outcome: QueryOutcome }
  | { readonly kind: "membership"; readonly id: number }
  /** Multicast messages in the kernel's order. */
  | { readonly kind: "events"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Multicast messages were lost at this point. */
  | { readonly kind: "overrun" };

export interface Refusal extends KernelAnswer {
  readonly sequence: number;
}

export type BatchOutcome =
  /** The kernel took the send. If not `isComplete`, some refusals may have been lost. */
  | { readonly kind: "answered"; readonly refusals: readonly Refusal[]; readonly isComplete: boolean }
  /** The kernel had no room for it and none of its messages was looked at. */
  | { readonly kind: "not-sent"; readonly errno: number };

export type QueryOutcome =
  /** Datagrams with messages of the query's sequence number. */
  | { readonly kind: "answered"; readonly chunks: readonly Uint8Array<ArrayBuffer>[] }
  | { readonly kind: "refused"; readonly answer: KernelAnswer }
  /** The kernel says that the table changed meanwhile, or the answer was lost: ask again. */
  | { readonly kind: "inconsistent" };
