import { expect, it } from "vitest";
import { formatPings } from "../../../src/lab/ping-matrix.ts";

it("a table of pings has a line per source and a column per target, and shows what was lost", () => {
  const one = { label: "n1-a", node: "n1", namespace: "n1-a", address: "10.244.0.1" };
  const other = { label: "n2-a", node: "n2", namespace: "n2-a", address: "10.244.0.65" };
  const router = { label: "r1", address: "172.31.0.1" };
  const table = formatPings([
    { source: one, target: other, milliseconds: 0.0714 },
    { source: one, target: router },
    { source: other, target: one, milliseconds: 12 },
    { source: other, target: router, milliseconds: 0.1 },
  ]);
  expect(table).toBe(
    [
      "FROM \\ TO   n1-a 10.244.0.1   n2-a 10.244.0.65   r1 172.31.0.1",
      "n1-a        -                 0.07 ms            LOST",
      "n2-a        12.00 ms          -                  0.10 ms",
    ].join("\n"),
  );
});
