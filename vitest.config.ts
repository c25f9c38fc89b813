import { defineConfig } from "vitest/config";

const lane = (name: string, options: { timeoutMs: number; sequential: boolean; last?: true }) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: options.timeoutMs,
    hookTimeout: options.timeoutMs,
    fileParallelism: !options.sequential,
    pool: "forks" as const,
    sequence: { groupOrder: options.last ? 1 : 0 },
  },
});

/** Each lane of DESIGN §7 is one project: `npx vitest run --project unit`. */
export default defineConfig({
  test: {
    projects: [
      lane("unit", { timeoutMs: 120_000, sequential: false }),
      lane("property", { timeoutMs: 300_000, sequential: false }),
      lane("lab", { timeoutMs: 240_000, sequential: true }),
      lane("interop", { timeoutMs: 240_000, sequential: true }),
      // Alone, because its machines have the speed of an old computer already.
      lane("uml", { timeoutMs: 240_000, sequential: true, last: true }),
    ],
  },
});
