import { sameKey, sameRoute } from "../../../src/fib/diff.ts";
import type { PrefixIndex } from "../../../src/net/prefix-index.ts";
import { RouteTemplates } from "../../../src/netlink/codec/route-template.ts";
import { RouteBatch, type RouteWriter } from "../../../src/netlink/route-batch.ts";
import type { RefusedEntry } from "../../../src/netlink/slices.ts";
import {
  type InterfaceAddress,
  type KernelRoute,
  type Link,
  mainTable,
  type Neighbour,
  type Netlink,
  type NetlinkEvent,
  type NetlinkRequest,
  type NetlinkResult,
} from "../../../src/netlink/types.ts";

const succeeded: NetlinkResult = { ok: true };

function refused(errno: number, code: string): NetlinkResult {
  return { ok: false, errno, code, message: `model says ${code}` };
}

/**
 * Routes and links as the kernel keeps them, as far as the reconciler's logic needs it: keys, EXCL and REPLACE, deletion by
 * protocol, events, and the silent loss of IPv4 routes when a device goes down. What the real one does is shown in the
 * lab lane.
 */
export class KernelModel implements Netlink, RouteWriter {
  routesHeld: KernelRoute[] = [];
  linksHeld: Link[] = [];
  /** Every request in order. */
  readonly requests: NetlinkRequest[] = [];
  /** Events are kept back while true, as if they were still on their way. */
  holdEvents = false;
  /** No events of what was asked for by requests, as with `hidesOwnRouteChanges`. */
  hidesEchoes = false;
  #isAnswering = false;
  /** Answers of the next requests instead of the model's own. */
  readonly forcedAnswers: NetlinkResult[] = [];
  /** Called once when requests have been applied and before they are answered. */
  beforeAnswer: (() => void) | undefined;
  #pending: NetlinkEvent[] = [];
  #listeners = new Set<(events: readonly NetlinkEvent[]) => void>();

  async execute(requests: readonly NetlinkRequest[]): Promise<readonly NetlinkResult[]> {
    await Promise.resolve();
    const answers = requests.map((request) => {
      this.requests.push(request);
      this.#isAnswering = true;
      const answer = this.forcedAnswers.shift() ?? this.#apply(request);
      this.#isAnswering = false;
      return answer;
    });
    const between = this.beforeAnswer;
    this.beforeAnswer = undefined;
    between?.();
    return answers;
  }

  routeBatch(index: PrefixIndex): RouteBatch {
    return new RouteBatch(index, new RouteTemplates(), 1);
  }

  async writeRoutes(batch: RouteBatch): Promise<readonly RefusedEntry[]> {
    const answers = await this.execute(batch.requests());
    return answers.flatMap((answer, entry) => (answer.ok ? [] : [{ entry, failure: answer }]));
  }

  #apply(request: NetlinkRequest): NetlinkResult {
    if (request.op === "route-add" || request.op === "route-replace")
      return this.write(request.route, request.op === "route-add");
    if (request.op !== "route-delete") throw new TypeError(`the model does not know ${request.op}`);
    const found = this.routesHeld.find(
      (route) =>
        sameKey(route, { ...route, ...request.key }) &&
        (request.protocol === undefined || route.protocol === request.protocol),
    );
    if (found === undefined) return refused(3, "ESRCH");
    this.delete(found);
    return succeeded;
  }

  /** Somebody writes a route; `exclusive` is NLM_F_EXCL, else NLM_F_REPLACE. */
  write(route: KernelRoute, exclusive = false): NetlinkResult {
    const legs = route.nextHops.map(({ interfaceIndex }) =>
      this.linksHeld.find(({ index }) => index === interfaceIndex),
    );
    if (legs.some((link) => link === undefined)) return refused(19, "ENODEV");
    if (legs.some((link) => link?.up !== true)) return refused(100, "ENETDOWN");
    const at = this.routesHeld.findIndex((held) => sameKey(held, route));
    if (at >= 0 && exclusive) return refused(17, "EEXIST");
    if (at >= 0) this.routesHeld[at] = route;
    else this.routesHeld.push(route);
    this.emit({ type: "route", action: "new", route, replaced: at >= 0 });
    return succeeded;
  }

  delete(route: KernelRoute): void {
    this.routesHeld = this.routesHeld.filter((held) => !sameRoute(held, route));
    this.emit({ type: "route", action: "delete", route });
  }

  setLink(link: Link): void {
    this.linksHeld = [...this.linksHeld.filter(({ index }) => index !== link.index), link];
    if (!link.up) this.#dropSilently(link.index);
    this.emit({ type: "link", action: "new", link });
  }

  deleteLink(link: Link): void {
    this.linksHeld = this.linksHeld.filter(({ index }) => index !== link.index);
    this.#dropSilently(link.index);
    this.emit({ type: "link", action: "delete", link });
  }

  /** Deletes without telling, as the kernel does with the last address of a device. */
  loseSilently(route: KernelRoute): void {
    this.routesHeld = this.routesHeld.filter((held) => !sameRoute(held, route));
  }

  #dropSilently(index: number): void {
    this.routesHeld = this.routesHeld.filter((route) => !route.nextHops.some((leg) => leg.interfaceIndex === index));
  }

  emit(event: NetlinkEvent): void {
    if (this.#isAnswering && this.hidesEchoes) return;
    this.#pending.push(event);
    if (!this.holdEvents) this.releaseEvents();
  }

  releaseEvents(): void {
    const events = this.#pending.splice(0);
    for (const listener of this.#listeners) listener(events);
  }

  async routes(): Promise<readonly KernelRoute[]> {
    return this.routesHeld.filter(({ table }) => table === mainTable);
  }

  async links(): Promise<readonly Link[]> {
    return [...this.linksHeld];
  }

  async routeTo(): Promise<KernelRoute | undefined> {
    return undefined;
  }

  async addresses(): Promise<readonly InterfaceAddress[]> {
    return [];
  }

  async neighbours(): Promise<readonly Neighbour[]> {
    return [];
  }

  async subscribe(
    _groups: readonly string[],
    listener: (events: readonly NetlinkEvent[]) => void,
  ): Promise<() => void> {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
