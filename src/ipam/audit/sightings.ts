/** Something that looks wrong. `key` tells it from everything else, and from itself after it has changed. */
export interface Sighting<Subject> {
  readonly key: string;
  readonly subject: Subject;
}

/**
 * Remembers what looked wrong, so that nothing is done about it before a second look: what is under way in the moment of
 * one look is done or undone in that of the next.
 */
export class Sightings {
  readonly #apartMs: number;
  /** By key: the time of the first of all looks in a row that found it. */
  readonly #firstSeen = new Map<string, number>();

  /** Two looks count as two if at least `apartMs` lie between them. */
  constructor(apartMs: number) {
    this.#apartMs = apartMs;
  }

  /** Takes note of all that one look has found; those that an earlier one had found already. */
  confirm<Subject>(seen: readonly Sighting<Subject>[], nowMs: number): Subject[] {
    const keys = new Set(seen.map(({ key }) => key));
    for (const key of this.#firstSeen.keys()) if (!keys.has(key)) this.#firstSeen.delete(key);
    return seen.flatMap(({ key, subject }) => {
      const since = this.#firstSeen.get(key);
      if (since === undefined) this.#firstSeen.set(key, nowMs);
      return since !== undefined && nowMs - since >= this.#apartMs ? [subject] : [];
    });
  }
}
