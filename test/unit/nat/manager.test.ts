import { describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/core/logger.ts";
import { NatError, type NatErrorCode } from "../../../src/nat/errors.ts";
import { NatManager } from "../../../src/nat/manager.ts";
import type { NftRunner } from "../../../src/nat/program.ts";
import type { NatState } from "../../../src/nat/ruleset.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { NftModel } from "../../support/nft-model.ts";
import { ManualClock } from "../../support/scripted-speaker.ts";

const minuteMs = 60_000;

const pools = (...cidrs: string[]): NatState => ({
  pools: cidrs.map((cidr) => ({ cidr: Prefix.parse(cidr), natOutgoing: true })),
  nodeAddresses: [],
  tunnelDevices: [],
  options: { natOutgoingExclusions: "IPPoolsOnly", protectEncapsulation: false, vxlanPort: 4789, udpPort: 8285 },
});

class Bench {
  readonly kernel = new NftModel();
  readonly clock = new ManualClock();
  /** Makes every run of nft fail with this code. */
  failure: NatErrorCode | undefined;
  /** How many runs are going on now, and at most. */
  readonly concurrency = { now: 0, highest: 0 };
  readonly #run: NftRunner = async (commands) => {
    this.concurrency.highest = Math.max(this.concurrency.highest, ++this.concurrency.now);
    await new Promise((resolve) => setImmediate(resolve));
    this.concurrency.now--;
    if (this.failure !== undefined) throw new NatError(this.failure, `nft said ${this.failure}`);
    return this.kernel.run(commands);
  };
  readonly manager = new NatManager({
    run: this.#run,
    clock: this.clock,
    random: () => 0.5,
    logger: silentLogger,
  });

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.settle();
  }

  get masqueraded(): string[] {
    const elements = this.kernel.tables.get("ip calibird")?.sets.get("masq-ipam-pools")?.elements ?? [];
    return elements.map(({ json }) => JSON.stringify(json));
  }
}

const tenAndTwenty = ['{"prefix":{"addr":"10.0.0.0","len":16}}', '{"prefix":{"addr":"20.0.0.0","len":16}}'];

describe("NatManager", () => {
  it("writes what is wanted, and then only what changes", async () => {
    const bench = new Bench();
    bench.manager.update(pools("10.0.0.0/16"));
    expect(bench.manager.status().applied).toBe(false);
    await bench.settle();
    expect(bench.manager.status()).toEqual({ applied: true, error: undefined, repairs: 0 });
    bench.manager.update(pools("10.0.0.0/16", "20.0.0.0/16"));
    await bench.settle();
    expect(bench.masqueraded).toEqual(tenAndTwenty);
    bench.manager.update(pools("20.0.0.0/16", "10.0.0.0/16"));
    await bench.settle();
    expect(bench.kernel.writes.map((commands) => Object.keys(commands[0] ?? {}))).toEqual([["add"], ["add"]]);
    expect(bench.kernel.writes[1]).toHaveLength(2);
  });

  it("makes one transaction of what is asked for at once, and runs nft once at a time", async () => {
    const bench = new Bench();
    for (let count = 1; count <= 20; count++)
      bench.manager.update(pools(...Array.from({ length: count }, (_, index) => `10.${2 * index}.0.0/16`)));
    await new Promise((resolve) => setImmediate(resolve));
    bench.manager.update(pools("10.0.0.0/16"));
    bench.manager.update(pools("10.0.0.0/16", "20.0.0.0/16"));
    await bench.settle();
    expect(bench.masqueraded).toEqual(tenAndTwenty);
    expect(bench.kernel.writes.length).toBeLessThanOrEqual(2);
    expect(bench.concurrency.highest).toBe(1);
  });

  it("finds the tables of an earlier run and writes the difference only", async () => {
    const bench = new Bench();
    bench.manager.update(pools("10.0.0.0/16", "20.0.0.0/16"));
    await bench.settle();
    const successor = new NatManager({
      run: bench.kernel.run,
      clock: bench.clock,
      random: Math.random,
      logger: silentLogger,
    });
    successor.update(pools("10.0.0.0/16", "20.0.0.0/16"));
    await bench.settle();
    expect(bench.kernel.writes).toHaveLength(1);
    await successor.stop();
  });

  it("empties the set of an earlier run although nothing is wanted any more", async () => {
    const bench = new Bench();
    bench.manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    await bench.manager.stop();
    const successor = new NatManager({
      run: bench.kernel.run,
      clock: bench.clock,
      random: Math.random,
      logger: silentLogger,
    });
    successor.update(pools());
    await bench.settle();
    expect(bench.masqueraded).toEqual([]);
  });

  it("repairs within a minute or so what others removed, and looks again later", async () => {
    const bench = new Bench();
    bench.manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    for (const repairs of [1, 2]) {
      bench.kernel.flushRuleset();
      await bench.pass(minuteMs);
      expect(bench.masqueraded).toEqual(tenAndTwenty.slice(0, 1));
      expect(bench.manager.status().repairs).toBe(repairs);
    }
    await bench.pass(minuteMs);
    expect(bench.manager.status().repairs).toBe(2);
  });

  it("repairs although updates keep coming", async () => {
    const bench = new Bench();
    bench.manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    bench.kernel.flushRuleset();
    for (let seconds = 0; seconds < 70; seconds += 5) {
      bench.manager.update(pools("10.0.0.0/16"));
      await bench.pass(5000);
    }
    expect(bench.masqueraded).toEqual(tenAndTwenty.slice(0, 1));
  });

  it("writes a change at once although its table has vanished meanwhile", async () => {
    const bench = new Bench();
    bench.manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    bench.kernel.flushRuleset();
    bench.manager.update(pools("10.0.0.0/16", "20.0.0.0/16"));
    await bench.settle();
    expect(bench.masqueraded).toEqual(tenAndTwenty);
    expect(bench.manager.status().error).toBeUndefined();
  });

  it("tries again at longer and longer intervals, and with what is wanted by then", async () => {
    const bench = new Bench();
    bench.failure = "NFT_FAILED";
    bench.manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    expect(bench.manager.status()).toMatchObject({ applied: false, error: { code: "NFT_FAILED" } });
    for (const seconds of [1, 2, 4, 8]) await bench.pass(seconds * 1000);
    bench.failure = undefined;
    await bench.pass(15_999);
    expect(bench.kernel.runs).toHaveLength(0);
    await bench.pass(1);
    expect(bench.masqueraded).toEqual(tenAndTwenty.slice(0, 1));
    expect(bench.manager.status()).toMatchObject({ applied: true, error: undefined });
  });

  it("says that nft is missing if a pool needs it, and picks it up once it is installed", async () => {
    const bench = new Bench();
    bench.failure = "NFT_MISSING";
    bench.manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    expect(bench.manager.status().error?.code).toBe("NFT_MISSING");
    bench.failure = undefined;
    await bench.pass(64_000);
    expect(bench.manager.status()).toMatchObject({ applied: true, error: undefined });
  });

  it("has no problem, and asks no more, where nft is missing and nothing needs it", async () => {
    const bench = new Bench();
    bench.failure = "NFT_MISSING";
    bench.manager.update(pools());
    await bench.settle();
    expect(bench.manager.status()).toEqual({ applied: true, error: undefined, repairs: 0 });
    expect(bench.clock.pendingTimers).toBe(0);
    bench.manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    expect(bench.manager.status()).toMatchObject({ applied: false, error: { code: "NFT_MISSING" } });
    bench.manager.update(pools());
    await bench.settle();
    expect(bench.manager.status()).toMatchObject({ applied: true, error: undefined });
  });

  it("looks at nothing periodically where there is no table", async () => {
    const bench = new Bench();
    bench.manager.update(pools());
    await bench.settle();
    expect(bench.clock.pendingTimers).toBe(0);
    expect(bench.kernel.runs).toHaveLength(1);
  });

  it("takes an answer that is no JSON for a failure and goes on", async () => {
    const bench = new Bench();
    const manager = new NatManager({
      run: async () => "nonsense",
      clock: bench.clock,
      random: Math.random,
      logger: silentLogger,
    });
    manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    expect(manager.status().error?.code).toBe("NFT_FAILED");
    expect(bench.clock.pendingTimers).toBe(1);
  });

  it("takes an update at any moment of a run", async () => {
    for (let turns = 0; turns < 40; turns++) {
      const bench = new Bench();
      bench.manager.update(pools("10.0.0.0/16"));
      for (let turn = 0; turn < turns; turn++) await (turn % 4 === 0 ? new Promise(setImmediate) : undefined);
      bench.manager.update(pools("10.0.0.0/16", "20.0.0.0/16"));
      await bench.settle();
      expect(bench.masqueraded).toEqual(tenAndTwenty);
      expect(bench.manager.status().applied).toBe(true);
    }
  });

  it("leaves the tables when it stops, and does nothing more", async () => {
    const bench = new Bench();
    bench.manager.update(pools("10.0.0.0/16"));
    await bench.settle();
    await bench.manager.stop();
    const runs = bench.kernel.runs.length;
    await bench.pass(10 * minuteMs);
    expect(bench.kernel.runs).toHaveLength(runs);
    expect(bench.masqueraded).toEqual(tenAndTwenty.slice(0, 1));
  });

  it("removes its own tables and no others", async () => {
    const bench = new Bench();
    await bench.kernel.run([{ add: { table: { family: "ip", name: "nat" } } }]);
    bench.manager.update(pools("10.0.0.0/16", "fd00::/64"));
    await bench.settle();
    expect([...bench.kernel.tables.keys()]).toEqual(["ip nat", "ip calibird", "ip6 calibird"]);
    await bench.manager.remove();
    expect([...bench.kernel.tables.keys()]).toEqual(["ip nat"]);
    await bench.manager.remove();
  });
});
