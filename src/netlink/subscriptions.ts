import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { multicastGroup } from "./codec/constants.ts";
import { decodeEvent } from "./codec/event.ts";
import { readMessages } from "./codec/message.ts";
import { NetlinkError } from "./errors.ts";
import type { NetlinkEvent, NetlinkEventGroup } from "./types.ts";

type Listener = (events: readonly NetlinkEvent[]) => void;

interface Subscription {
  readonly groups: ReadonlySet<NetlinkEventGroup>;
  readonly listener: Listener;
}

const groupNumbers: Readonly<Record<NetlinkEventGroup, readonly number[]>> = {
  link: [multicastGroup.link],
  address: [multicastGroup.ipv4Address, multicastGroup.ipv6Address],
  route: [multicastGroup.ipv4Route, multicastGroup.ipv6Route],
  neighbour: [multicastGroup.neighbour],
  forwarding: [multicastGroup.neighbour],
};

/** Who listens to what. Turns the bytes of multicast messages into events and hands each listener the ones it asked for. */
export class Subscriptions {
  readonly #logger: Logger;
  readonly #all = new Set<Subscription>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(groups: readonly NetlinkEventGroup[], listener: Listener): Subscription {
    const subscription = { groups: new Set(groups), listener };
    this.#all.add(subscription);
    return subscription;
  }

  /** Returns the kernel's numbers of the groups that nobody wants any more. */
  remove(subscription: Subscription): number[] {
    if (!this.#all.delete(subscription)) return [];
    const wanted = new Set([...this.#all].flatMap(({ groups }) => multicastGroupNumbers([...groups])));
    return multicastGroupNumbers([...subscription.groups]).filter((number) => !wanted.has(number));
  }

  /** Messages that cannot be understood count as lost. */
  deliver(bytes: Uint8Array): void {
    const events: NetlinkEvent[] = [];
    try {
      for (const message of readMessages(bytes)) {
        const event = decodeEvent(message);
        if (event !== undefined) events.push(event);
      }
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      this.#logger.warn({ code: error.code }, `kernel events were dropped: ${error.message}`);
      events.push({ type: "overrun" });
    }
    this.#hand(events);
  }

  overrun(): void {
    this.#hand([{ type: "overrun" }]);
  }

  #hand(events: readonly NetlinkEvent[]): void {
    for (const { groups, listener } of [...this.#all]) {
      const wanted = events.filter((event) => event.type === "overrun" || groups.has(event.type));
      if (wanted.length === 0) continue;
      try {
        listener(wanted);
      } catch (error) {
        this.#logger.error({ error: errorMessage(error) }, "a listener of kernel events failed");
      }
    }
  }
}

/** RTNLGRP_* numbers of the groups. */
export function multicastGroupNumbers(groups: readonly NetlinkEventGroup[]): number[] {
  return [...new Set(groups.flatMap((group) => groupNumbers[group]))];
}
