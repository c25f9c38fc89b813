/** What `GET /v1/events` sends: the event's name and its data. */
export type Subscriber = (event: string, data: unknown) => void;

/** Hands changes to whoever watches, and costs nothing while nobody does. */
export class EventHub {
  readonly #subscribers = new Set<Subscriber>();

  /** Returns what ends the subscription. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  get isWatched(): boolean {
    return this.#subscribers.size > 0;
  }

  /** `data` is only computed if somebody watches; nothing is sent if it is undefined, for what is gone by now. */
  publish(event: string, data: () => unknown): void {
    if (this.#subscribers.size === 0) return;
    const value = data();
    if (value === undefined) return;
    for (const subscriber of this.#subscribers) subscriber(event, value);
  }
}
