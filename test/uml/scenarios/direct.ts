import assert from "node:assert/strict";
import { Capture } from "../guest/capture.ts";
import { PingStream } from "../guest/ping-stream.ts";
import type { Scenario } from "../guest/scenario.ts";
import { nodeAddresses, TwoSubnets } from "../guest/two-subnets.ts";

export const scenario: Scenario<TwoSubnets> = {
  start: () => TwoSubnets.start({ pool: { ipipMode: "Never" }, routerLearns: true }),
  diagnose: (cluster) => cluster.diagnose(),
  checks: {
    "the router learns the block of every node and how to reach it": async (cluster) => {
      const blocks = await cluster.blocks();
      const expected = [
        `${blocks.n1} via ${nodeAddresses.n1} dev lan1 metric 32`,
        `${blocks.n2} via ${nodeAddresses.n2} dev lan1 metric 32`,
        `${blocks.n3} via ${nodeAddresses.n3} dev lan2 metric 32`,
      ];
      assert.deepEqual(await cluster.routerRoutes(), expected.sort());
    },

    "blocks of the same subnet are reached at once, others through the router": async (cluster) => {
      const [blocks, { address }] = await Promise.all([cluster.blocks(), cluster.pod("n1")]);
      const routes = (await cluster.kernelRoutes("n1")).filter((line) => !line.startsWith(`${address} `));
      const expected = [
        `blackhole ${blocks.n1}`,
        `${blocks.n2} via ${nodeAddresses.n2} dev eth1 metric 1024`,
        `${blocks.n3} via 10.10.1.1 dev eth1 metric 1024`,
      ];
      assert.deepEqual(routes, expected.sort());
    },

    "pods of all nodes reach each other, and the router sees plain packets only": async (cluster) => {
      const capture = await Capture.start(cluster.routerNamespace, "icmp or ip proto 4");
      assert.deepEqual(await cluster.unreachable(), []);
      const packets = await capture.stop();
      const pods = Object.values(await cluster.podAddresses());
      const pairs = pods.flatMap((source) =>
        pods.filter((target) => target !== source).map((target) => `${source} > ${target}`),
      );
      const seen = new Set(packets.map(({ source, destination }) => `${source} > ${destination}`));
      assert.deepEqual([...seen].sort(), pairs.sort());
      const strange = packets.filter(({ inner, text }) => inner !== undefined || !text.startsWith("ICMP echo"));
      assert.deepEqual(strange, []);
    },

    "no ping is lost while the agent of a node is killed and started again": async (cluster, note) => {
      const streams = [
        await PingStream.start(cluster, "n1", "n2", 0.02),
        await PingStream.start(cluster, "n3", "n2", 0.02),
      ];
      await cluster.lab.killNode("n2");
      await cluster.lab.startNode("n2");
      await cluster.settled();
      for (const stream of streams) {
        const { sent, lost, errors } = await stream.stop();
        note(`${stream.label}: ${lost.length} of ${sent} pings lost`);
        assert.deepEqual({ lost, errors }, { lost: [], errors: [] });
      }
    },
  },
};
