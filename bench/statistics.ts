/** The middle one of the values, or the mean of the two in the middle; undefined without values. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((left, right) => left - right);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

/** Medians of each member over several runs; a member counts where it is present. */
export function medians(runs: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const key of new Set(runs.flatMap((run) => Object.keys(run)))) {
    const middle = median(runs.flatMap((run) => run[key] ?? []));
    if (middle !== undefined) result[key] = middle;
  }
  return result;
}
