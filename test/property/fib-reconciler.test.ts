import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { silentLogger } from "../../src/core/logger.ts";
import { Fib } from "../../src/fib/fib.ts";
import type { DesiredForwarding, DesiredRoute } from "../../src/fib/types.ts";
import type { KernelRoute } from "../../src/netlink/types.ts";
import { FakeClock } from "../unit/fib/fake-clock.ts";
import { KernelModel } from "../unit/fib/kernel-model.ts";
import { blackhole, connected, demanded, desired, device, kernelRoute, link, via } from "../unit/fib/samples.ts";

const prefixes = ["10.65.0.0/26", "10.65.0.64/26", "10.65.0.7/32", "fd00:65::/122"];

type Action =
  | { readonly kind: "set"; readonly route: DesiredRoute }
  | { readonly kind: "unset" | "others-delete"; readonly destination: string }
  | { readonly kind: "others-write"; readonly route: KernelRoute }
  | { readonly kind: "link"; readonly up: boolean }
  | { readonly kind: "events"; readonly held: boolean }
  | { readonly kind: "refuse"; readonly code: string }
  | { readonly kind: "time"; readonly ms: number };

const destination = fc.constantFrom(...prefixes);
const metric = fc.constantFrom(0, 100, 1024);
const forwarding = fc.constantFrom<DesiredForwarding>(
  blackhole,
  device("cali1"),
  via("10.1.0.6"),
  via("10.1.0.7"),
  via("10.1.0.6", "10.1.0.7"),
  via("192.0.2.1"),
  { mode: "none", state: "filtered", intended: "direct" },
);

const action: fc.Arbitrary<Action> = fc.oneof(
  fc
    .tuple(destination, forwarding, metric)
    .map(([to, way, cost]): Action => ({ kind: "set", route: desired(to, way, { metric: cost }) })),
  fc
    .tuple(fc.constantFrom("unset" as const, "others-delete" as const), destination)
    .map(([kind, to]): Action => ({ kind, destination: to })),
  fc.tuple(destination, fc.constantFrom(4, 202), metric).map(
    ([to, protocol, cost]): Action => ({
      kind: "others-write",
      route: kernelRoute(to, { type: "blackhole", protocol, metric: to.includes(":") && cost === 0 ? 1024 : cost }),
    }),
  ),
  fc.boolean().map((up): Action => ({ kind: "link", up })),
  fc.boolean().map((held): Action => ({ kind: "events", held })),
  fc.constantFrom("ENOBUFS", "ENETUNREACH").map((code): Action => ({ kind: "refuse", code })),
  fc.constantFrom(5, 30, 2000).map((ms): Action => ({ kind: "time", ms })),
);

/** The numbers that are kept are those that counting would give. */
function expectCountsOf(fib: Fib): void {
  const statuses = [...fib.statuses()];
  const { counts, contested, firstConflict } = fib.tally();
  for (const [state, count] of Object.entries(counts))
    expect(count, state).toBe(statuses.filter((status) => status.state === state).length);
  const fought = statuses.filter((status) => status.contested !== undefined);
  expect(contested).toHaveLength(fought.length);
  expect(contested).toEqual(expect.arrayContaining(fought));
  expect(firstConflict?.state).toBe(counts.conflict > 0 ? "conflict" : undefined);
}

async function settle(clock: FakeClock, ms: number): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    clock.advance(ms / 5);
    for (let step = 0; step < 5; step++) await setImmediate();
  }
}

test("whatever happens, the kernel ends up with what is desired, and others' routes are as they left them", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), fc.boolean(), async (actions, hidesEchoes) => {
      const clock = new FakeClock();
      const kernel = new KernelModel();
      kernel.hidesEchoes = hidesEchoes;
      const subnet = connected("10.1.0.0/24", 2);
      kernel.linksHeld = [link(1, "lo"), link(2, "eth0"), link(7, "cali1")];
      kernel.routesHeld = [subnet];
      const fib = new Fib({ netlink: kernel, clock, logger: silentLogger, random: () => 0.5 });
      const wanted = new Map<string, DesiredRoute>();
      /** Others' routes by key, as those others left them. */
      const foreign = new Map<string, KernelRoute>();
      const keyOf = (route: KernelRoute): string => `${route.destination} ${route.metric}`;
      await fib.start();
      fib.sweepStale();

      for (const step of actions) {
        switch (step.kind) {
          case "set":
            wanted.set(step.route.prefix.toString(), step.route);
            fib.update({ set: demanded(step.route), remove: [] });
            break;
          case "unset": {
            const route = wanted.get(step.destination);
            wanted.delete(step.destination);
            if (route !== undefined) fib.update({ set: [], remove: [route.prefix] });
            break;
          }
          case "others-delete": {
            const held = kernel.routesHeld.find((route) => route.destination.toString() === step.destination);
            if (held === undefined) break;
            foreign.delete(keyOf(held));
            kernel.delete(held);
            break;
          }
          case "others-write":
            // A writer that overwrites a foreign route in the moment before our replace is beyond anybody's means, so
            // foreign routes are written as `ip route add` does, and over our own routes only when events flow.
            if (step.route.protocol !== 202 && kernel.holdEvents) {
              if (kernel.write(step.route, true).ok) foreign.set(keyOf(step.route), step.route);
            } else if (step.route.protocol !== 202) {
              kernel.write(step.route);
              foreign.set(keyOf(step.route), step.route);
            } else kernel.write(step.route, true);
            break;
          case "link":
            kernel.setLink(link(2, "eth0", step.up));
            if (step.up && !kernel.routesHeld.includes(subnet)) kernel.write(subnet);
            break;
          case "events":
            kernel.holdEvents = step.held;
            if (!step.held) kernel.releaseEvents();
            break;
          case "refuse":
            kernel.forcedAnswers.push({ ok: false, errno: 1, code: step.code, message: "refused" });
            break;
          case "time":
            await settle(clock, step.ms);
            expectCountsOf(fib);
            break;
        }
      }

      kernel.holdEvents = false;
      kernel.releaseEvents();
      for (let minute = 0; minute < 5; minute++) await settle(clock, 60_000);
      await settle(clock, 100);

      expectCountsOf(fib);
      const own = kernel.routesHeld.filter(({ protocol }) => protocol === 202);
      const others = kernel.routesHeld.filter((route) => route.protocol !== 202 && route !== subnet);
      expect(new Set(others)).toEqual(new Set(foreign.values()));
      const installed = [...fib.statuses()].filter(({ state }) => state === "installed");
      expect(own.map(({ destination: to }) => to.toString()).sort()).toEqual(
        installed.map(({ route }) => route.prefix.toString()).sort(),
      );
      for (const route of wanted.values()) {
        const status = fib.status(route.prefix);
        expect(status?.route).toEqual(route);
        expect(["installed", "conflict", "unresolved", "filtered"]).toContain(status?.state);
        if (route.forwarding.mode === "blackhole" || route.forwarding.mode === "device")
          expect(["installed", "conflict"]).toContain(status?.state);
        if (status?.state === "conflict")
          expect(others.some(({ destination: to }) => to.equals(route.prefix))).toBe(true);
      }
      expect([...fib.statuses()]).toHaveLength(wanted.size);
      fib.stop();
    }),
    { numRuns: 150 },
  );
});
