import { beforeEach, describe, expect, it } from "vitest";
import { CommandQueue } from "../../../src/tunnel/command-queue.ts";
import type { ForwarderCommand } from "../../../src/tunnel/messages.ts";
import { TunnelRouteTable } from "../../../src/tunnel/route-table.ts";

const block = 0x0af40100;
const [first, second] = [0x0a0a010b, 0x0a0a020d];

/** A command of one route to the block by these nodes; none takes it back. */
const route = (...nodes: number[]): ForwarderCommand => ({
  kind: "routes",
  words: Uint32Array.of(block, 26, nodes.length, ...nodes),
});

describe("the commands of a user-space tunnel", () => {
  let sent: ForwarderCommand[];
  let routes: TunnelRouteTable;
  let queue: CommandQueue;
  /** Where a packet to the block goes now; asks as the pump does. */
  function carry(): number[] | undefined {
    const nodes = () => routes.lookup(block + 2);
    if (nodes() === undefined) queue.learn();
    const found = nodes();
    return found && [...found];
  }

  beforeEach(() => {
    sent = [];
    routes = new TunnelRouteTable();
    queue = new CommandQueue(() => sent.shift(), routes);
  });

  it("let a packet go that is carried while its route's command is being performed", () => {
    sent.push(route(first));
    const seen: unknown[] = [];
    queue.perform(() => seen.push(carry()));
    expect(seen).toEqual([[first]]);
  });

  it("let a packet go whose route's command has not been noticed yet", () => {
    sent.push(route(first));
    expect(carry()).toEqual([first]);
  });

  it("take a route back only after the packets that were sent by it have been carried", () => {
    sent.push(route(first));
    queue.perform(() => {});
    sent.push(route());
    const seen: unknown[] = [];
    queue.perform(() => seen.push(carry()));
    expect([...seen, carry()]).toEqual([[first], undefined]);
  });

  it("leave no moment without a route that is taken back and given again", () => {
    sent.push(route(first));
    queue.perform(() => {});
    sent.push(route(), route(second));
    const seen: unknown[] = [];
    queue.perform(() => seen.push(carry()));
    expect([...seen, carry()]).toEqual([[second], [second]]);
  });

  it("leave none either if it is given again while the packets are carried", () => {
    sent.push(route(first));
    queue.perform(() => {});
    sent.push(route());
    queue.perform(() => {
      sent.push(route(second));
      queue.learn();
    });
    const seen: unknown[] = [carry()];
    queue.perform(() => seen.push(carry()));
    expect([...seen, carry()]).toEqual([[second], [second], [second]]);
  });

  it("come to the caller in their order, without those of routes", () => {
    const end = { tunFd: 7, mtu: 1480, pmtuDiscovery: false };
    sent.push({ kind: "device", end }, route(first), { kind: "close" });
    expect(queue.perform(() => {})).toEqual([{ kind: "device", end }, { kind: "close" }]);
    expect(queue.perform(() => {})).toEqual([]);
  });
});
