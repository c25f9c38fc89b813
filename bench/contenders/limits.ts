import { testedAddress, testedAs } from "../neighbours.ts";
import type { Contender, Launch, Setup } from "./contender.ts";

/** No speaker can be faster: it copies what it receives. Shows that the neighbours are not what is measured. */
export const nullRelay: Contender = {
  name: "null-relay",
  label: "limit: copying relay",
  launch: ({ programs }: Setup): Launch => ({
    files: {},
    processes: [{ command: [`${programs.native}/null-relay`, testedAddress, "179", String(testedAs)], measured: true }],
    listens: true,
  }),
};

/** Of the routes of calibird, so that both ask the same of the kernel. */
const routeMetric = "1024";

/** No speaker can be faster with the kernel's routes: it sends the messages and does nothing else. */
export const kernelWriter: Contender = {
  name: "kernel-writer",
  label: "limit: netlink only",
  launch: ({ programs, size }: Setup): Launch => ({
    files: {},
    processes: [{ command: [`${programs.native}/kernel-writer`, String(size), "eth0", routeMetric], measured: true }],
    listens: false,
  }),
};
