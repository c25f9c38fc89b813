import { MessageType } from "../packet/constants.ts";
import type { BgpMessage } from "../packet/message.ts";
import type { SessionCounters } from "../types.ts";

const headerTypeOffset = 18;

/** Counts what one session does over its whole life. */
export class SessionCounts {
  readonly #counts = {
    messagesReceived: 0,
    messagesSent: 0,
    updatesReceived: 0,
    updatesSent: 0,
    notificationsReceived: 0,
    notificationsSent: 0,
    connectAttempts: 0,
    established: 0,
  };

  received(type: BgpMessage["type"]): void {
    this.#counts.messagesReceived++;
    if (type === "update") this.#counts.updatesReceived++;
    if (type === "notification") this.#counts.notificationsReceived++;
  }

  /** One message went out that is no UPDATE. */
  sent(octets: Uint8Array): void {
    this.#counts.messagesSent++;
    if (octets[headerTypeOffset] === MessageType.notification) this.#counts.notificationsSent++;
  }

  updatesSent(count: number): void {
    this.#counts.messagesSent += count;
    this.#counts.updatesSent += count;
  }

  connectAttempt(): void {
    this.#counts.connectAttempts++;
  }

  established(): void {
    this.#counts.established++;
  }

  snapshot(): SessionCounters {
    return { ...this.#counts };
  }
}
