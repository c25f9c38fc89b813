/** What has to be undone at the end, in reverse order, whatever happens. */
export class Scope {
  readonly #undo: (() => void | Promise<void>)[] = [];

  defer(undo: () => void | Promise<void>): void {
    this.#undo.push(undo);
  }

  /** Undoes everything; throws the first error after the last step. */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop())
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    if (errors.length > 0) throw errors[0];
  }
}
