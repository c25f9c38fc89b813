import { describe, expect, it } from "vitest";
import { readPings } from "../../../bench/pings.ts";

function output(transmitted: number, answered: readonly number[]): string {
  const lines = answered.map((sequence) => `64 bytes from 10.0.0.2: icmp_seq=${sequence} ttl=64 time=0.05 ms`);
  return [...lines, "--- 10.0.0.2 ping statistics ---", `${transmitted} packets transmitted, ...`].join("\n");
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

describe("pings", () => {
  it("are lost if they have no answer, wherever in the stream", () => {
    expect(readPings(output(100, [...upTo(40), ...upTo(100).slice(50)]), 0.01)).toEqual({ sent: 100, lost: 10 });
  });

  it("are lost if no answer came any more from some moment on", () => {
    expect(readPings(output(100, upTo(40)), 0.01)).toEqual({ sent: 95, lost: 55 });
  });

  it("that may still have been on their way do not count", () => {
    expect(readPings(output(100, upTo(97)), 0.01)).toEqual({ sent: 97, lost: 0 });
  });

  it("without a single answer are no measurement", () => {
    expect(() => readPings(output(100, []), 0.01)).toThrow("no ping was answered");
  });
});
