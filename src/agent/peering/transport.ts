import type { PeerTransport } from "../../bgp/types.ts";
import type { Secret } from "../../core/secret.ts";
import type { SecretKeySelector } from "../../resources/secret-reference.ts";

/** What a resource says about the connections of its sessions. */
export interface TransportWish {
  /** What stands for a password; its value is elsewhere. */
  readonly password?: { readonly secretKeyRef?: SecretKeySelector };
  /** RFC 5082; without it TTLs are the system's, as Calico's BIRD has them (`multihop`) for all peers, near or far. */
  readonly minimumTtl?: number;
  /** Of a link-local peer. */
  readonly device?: string;
}

/** A password as it is known now. Without a secret the session has none: it is optional, and not there. */
export type SecretAnswer = { readonly secret: Secret | undefined } | { readonly problem: string };

/** What sockets have to be like, or why that cannot be said. A session that shall have a password never runs without. */
export function transportOf(
  { password, minimumTtl, device }: TransportWish,
  secretOf: (reference: SecretKeySelector) => SecretAnswer,
): { readonly transport: PeerTransport | undefined } | { readonly problem: string } {
  const answer: SecretAnswer =
    password === undefined ? { secret: undefined } : answerOf(password.secretKeyRef, secretOf);
  if ("problem" in answer) return answer;
  const { secret } = answer;
  if (secret === undefined && minimumTtl === undefined && device === undefined) return { transport: undefined };
  return {
    transport: {
      ...(secret !== undefined && { key: { kind: "md5", password: secret } }),
      ...(minimumTtl !== undefined && { minimumTtl }),
      ...(device !== undefined && { device }),
    },
  };
}

function answerOf(
  reference: SecretKeySelector | undefined,
  secretOf: (reference: SecretKeySelector) => SecretAnswer,
): SecretAnswer {
  return reference === undefined ? { problem: "password has no secretKeyRef" } : secretOf(reference);
}
