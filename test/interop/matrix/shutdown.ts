import { expect } from "vitest";
import { Pair } from "./pair.ts";
import { scenario } from "./scenario.ts";

const reason = "drained for maintenance until six";

export const ourShutdown = scenario({
  title: "our shutdown",
  // A daemon that dials would soon have another error to show.
  prepare: (bench) => Pair.up(bench, { theirs: { passive: true } }),
  checks: [
    {
      feature: "shutdown message: it shows our text",
      lacking: { ExaBGP: "it fails at any text, with a Python TypeError, and answers 1/0" },
      run: async (pair) => {
        await pair.connect({ shutdown: { message: reason } });
        await pair.daemonSays(new RegExp(reason));
      },
    },
  ],
});

export const theirShutdown = scenario({
  title: "their shutdown",
  prepare: (bench) => Pair.up(bench),
  checks: [
    {
      feature: "shutdown message: we show its text",
      lacking: { ExaBGP: "it has no way to be given one" },
      run: async (pair) => {
        await pair.daemon.shutDown(pair.us, reason);
        await pair.endedBy({
          kind: "notification-received",
          notification: { code: 6, subcode: 2 },
          text: expect.stringContaining(`"${reason}"`),
        });
      },
    },
  ],
});
