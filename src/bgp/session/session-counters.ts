import { MessageType } from "../packet/constants.ts";
import type { BgpMessage } from "../packet/message.ts";
import type { SessionCounters } from "../types.ts";

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

  /** Octets of one or more whole messages went out. */
  sent(octets: Uint8Array): void {
    for (let at = 0; at + 18 < octets.length; ) {
      const length = ((octets[at + 16] ?? 0) << 8) | (octets[at + 17] ?? 0);
      const type = octets[at + 18];
      this.#counts.messagesSent++;
      if (type === MessageType.update) this.#counts.updatesSent++;
      if (type === MessageType.notification) this.#counts.notificationsSent++;
      at += Math.max(length, 19);
    }
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
