/** What a neighbour is to the speaker that is measured. */
export type Role = "sender" | "receiver" | "client" | "mesh";

/** One neighbour that the program `neighbours` plays. */
export interface Neighbour {
  readonly address: string;
  readonly as: number;
  /** sender and receiver are external; client is a route reflector client, mesh an internal peer that is none. */
  readonly role: Role;
}

/** The measured speaker. */
export const testedAddress = "10.0.0.1";
export const testedAs = 65_000;

/** By way of which the many clients are reached. */
export const gatewayAddress = "10.0.0.4";

const receiverAs = 65_003;
const monitor: Neighbour = { address: gatewayAddress, as: receiverAs, role: "receiver" };

/** Who knocks without being a neighbour; as in c/base.h. */
export const strangerAddress = "10.0.255.254";

/** The address of the k-th of many neighbours, counted from 0; as in c/base.h. */
export function clientAddress(k: number): string {
  return `10.0.${1 + Math.floor(k / 250)}.${1 + (k % 250)}`;
}

/** Sender A, B if wanted, and the receiver. */
export function tableNeighbours({ second }: { readonly second: boolean }): Neighbour[] {
  return [
    { address: "10.0.0.2", as: 65_001, role: "sender" },
    ...(second ? [{ address: "10.0.0.3", as: 65_002, role: "sender" } as const] : []),
    monitor,
  ];
}

export function reflectorClients(count: number): Neighbour[] {
  return Array.from({ length: count }, (_, k) => ({ address: clientAddress(k), as: testedAs, role: "client" }));
}

/** The receiver of the others, and more of the same AS. */
export function receivers(count: number): Neighbour[] {
  const more = Array.from({ length: count - 1 }, (_, k) => ({
    address: clientAddress(k),
    as: receiverAs,
    role: "receiver" as const,
  }));
  return [monitor, ...more];
}

/** Senders of an AS each. */
export function senders(count: number): Neighbour[] {
  return Array.from({ length: count }, (_, k) => ({ address: clientAddress(k), as: 65_101 + k, role: "sender" }));
}
