/** For `vi.waitFor`: how long what a test waits for may take on a busy machine, and how often it looks. */
export const patient = { timeout: 20_000, interval: 50 } as const;
