/** What is waited for, or as soon as the signal is aborted its reason as an error. */
export async function unlessAborted<Result>(signal: AbortSignal, wait: Promise<Result> | Result): Promise<Result> {
  signal.throwIfAborted();
  let giveUp = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(signal.reason);
  });
  signal.addEventListener("abort", giveUp);
  try {
    return await Promise.race([wait, aborted]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
