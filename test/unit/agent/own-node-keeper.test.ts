import { describe, expect, it } from "vitest";
import { OwnNodeKeeper } from "../../../src/agent/own-node-keeper.ts";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";

function keeper() {
  const state = { isThere: false, written: 0, fails: false };
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    setTimer: (_delayMs, fire) => {
      timers.push(fire);
      return { cancel: () => timers.splice(timers.indexOf(fire), 1) };
    },
  };
  const write = () => {
    state.written++;
    return state.fails ? Promise.reject(new Error("no datastore")) : Promise.resolve();
  };
  const subject = new OwnNodeKeeper({ isThere: () => state.isThere, write, clock, logger: silentLogger });
  return { subject, state, timers };
}

describe("OwnNodeKeeper", () => {
  it("writes the node once when it goes, and again when it goes again", () => {
    const { subject, state } = keeper();
    for (const round of [1, 2]) {
      state.isThere = true;
      subject.check();
      state.isThere = false;
      subject.check();
      subject.check();
      expect(state.written).toBe(round);
    }
  });

  it("takes a node that was never seen for one that is still on its way", () => {
    const { subject, state } = keeper();
    subject.check();
    expect(state.written).toBe(0);
  });

  it("tries again until it can write, but not after it was stopped", async () => {
    const { subject, state, timers } = keeper();
    Object.assign(state, { isThere: true, fails: true });
    subject.check();
    state.isThere = false;
    subject.check();
    await expect.poll(() => timers.length).toBe(1);
    timers[0]?.();
    expect(state.written).toBe(2);
    await expect.poll(() => timers.length).toBe(1);
    subject.stop();
    expect(timers).toEqual([]);
  });
});
