/** The part of a route's reason that says who it was learned from. Routes alike share one text, which saves most of them. */
export class LearnedReason {
  #peer: string | undefined;
  #node: string | undefined;
  #pool: string | undefined;
  #text = "";

  text(peer: string, node: string | undefined, pool: string | undefined): string {
    if (peer === this.#peer && node === this.#node && pool === this.#pool) return this.#text;
    this.#peer = peer;
    this.#node = node;
    this.#pool = pool;
    const owner = node === undefined ? "" : `, node ${node}`;
    const place = pool === undefined ? "" : ` in pool ${pool}`;
    this.#text = `learned from ${peer}${owner}${place}`;
    return this.#text;
  }
}
