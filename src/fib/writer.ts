import type { Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix-map.ts";
import type { KernelRoute, Netlink, NetlinkEvent, NetlinkRequest } from "../netlink/types.ts";
import { sameKey, sameRoute } from "./diff.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { Plan } from "./plan.ts";
import type { Failure } from "./status.ts";
import type { DesiredRoute } from "./types.ts";

/** One prefix's plan on its way to the kernel. */
export interface Step {
  readonly prefix: Prefix;
  readonly plan: Plan;
  /** What it was planned for; undefined: nothing is desired. */
  readonly desired: DesiredRoute | undefined;
  /** To be added to the reason of the state that a write leads to. */
  readonly note: string;
}

/** What became of a step; without `failure` all of it was done. */
export interface Outcome {
  readonly step: Step;
  readonly failure?: Failure;
  /** Others wrote the prefix before the answer came, perhaps before the kernel dealt with the step and perhaps after. */
  readonly isDisturbed: boolean;
}

interface Flight {
  readonly write: KernelRoute | undefined;
  readonly remove: readonly KernelRoute[];
  /** The kernel's own notice of the change has come before the answer to the request. */
  echoed: boolean;
  /** Somebody else's change was told meanwhile. */
  isDisturbed: boolean;
}

/**
 * Carries plans to the kernel and enters what it acknowledged into the table.
 *
 * Answers and events come by different sockets, and the events of our own writes may be hidden. If the event of a write has
 * been seen when its answer arrives, the table knows more than the answer does (somebody may have changed the route since)
 * and the answer leaves it alone; otherwise the answer goes in first and the event, if there is one, will find nothing left
 * to change. Somebody else's event that comes before the answer may tell of a change before ours or after it.
 */
export class Writer {
  readonly #netlink: Netlink;
  readonly #table: KernelTable;
  readonly #flights = new PrefixMap<Flight>();

  constructor(netlink: Netlink, table: KernelTable) {
    this.#netlink = netlink;
    this.#table = table;
  }

  /** True while the kernel's answer for this prefix is awaited. */
  inFlight(prefix: Prefix): boolean {
    return this.#flights.has(prefix);
  }

  /** To be shown every route event before the table applies it. */
  observe(event: Extract<NetlinkEvent, { readonly type: "route" }>): void {
    const flight = this.#flights.get(event.route.destination);
    if (flight === undefined) return;
    const asked = event.action === "delete" ? flight.remove : flight.write === undefined ? [] : [flight.write];
    if (asked.some((route) => sameRoute(event.route, route))) flight.echoed = true;
    else flight.isDisturbed = true;
  }

  /** Sends all steps in one batch, at most one step per prefix. Rejects only if netlink itself is gone. */
  async execute(steps: readonly Step[]): Promise<readonly Outcome[]> {
    const requests: NetlinkRequest[] = [];
    const owners: Step[] = [];
    for (const step of steps) {
      const { write, remove } = step.plan;
      this.#flights.set(step.prefix, { write: write?.route, remove, echoed: false, isDisturbed: false });
      const wanted: NetlinkRequest[] = write === undefined ? remove.map((route) => deletionOf(route)) : [write];
      for (const request of wanted) {
        requests.push(request);
        owners.push(step);
      }
    }
    try {
      const failures = new Map<Step, Failure>();
      const results = await this.#netlink.execute(requests);
      for (const [index, result] of results.entries()) {
        const request = requests[index];
        const step = owners[index];
        if (request === undefined || step === undefined) continue;
        // Somebody was quicker: the route is gone, which is all we want.
        const done = result.ok || (request.op === "route-delete" && result.code === "ESRCH");
        if (done) this.#enter(step.prefix, request);
        else if (!failures.has(step)) failures.set(step, result);
      }
      return steps.map((step) => {
        const failure = failures.get(step);
        const isDisturbed = this.#flights.get(step.prefix)?.isDisturbed ?? false;
        return { step, isDisturbed, ...(failure !== undefined && { failure }) };
      });
    } finally {
      for (const step of steps) this.#flights.delete(step.prefix);
    }
  }

  #enter(prefix: Prefix, request: NetlinkRequest): void {
    const flight = this.#flights.get(prefix);
    if (flight === undefined || flight.echoed) return;
    if (request.op === "route-add" || request.op === "route-replace") this.#table.add(request.route, true, "answer");
    if (request.op === "route-delete") {
      const key = request.key;
      const removed = flight.remove.find((route) => sameKey(route, { ...route, ...key }));
      if (removed !== undefined) this.#table.remove(removed);
    }
  }
}

/** Names the protocol, so that nobody else's route can be hit that has meanwhile taken the key. */
function deletionOf({ destination, table, metric, tos, protocol }: KernelRoute): NetlinkRequest {
  return { op: "route-delete", key: { destination, table, metric, tos }, protocol };
}
