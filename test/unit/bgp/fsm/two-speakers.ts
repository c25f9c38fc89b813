import { initialPeerState } from "../../../../src/bgp/fsm/peer-state.ts";
import type {
  ConnectionEvent,
  FsmAction,
  FsmContext,
  FsmEvent,
  PeerState,
  Step,
} from "../../../../src/bgp/fsm/types.ts";
import type { BgpMessage } from "../../../../src/bgp/packet/message.ts";
import { localAddress } from "./support.ts";

/** One end of a link: the connection's number there, or why there is none. */
type End = number | "waiting" | "gone";

/** A TCP connection: what is under way to each end, oldest first. */
interface Link {
  readonly opener: 0 | 1;
  readonly ends: readonly [End, End];
  readonly queues: readonly [readonly (BgpMessage | "fin")[], readonly (BgpMessage | "fin")[]];
  /** The opener knows that the connection is up. */
  readonly connected: boolean;
}

export interface Speaker {
  readonly context: FsmContext;
  readonly step: (state: PeerState, event: FsmEvent, context: FsmContext) => Step;
}

export interface World {
  readonly speakers: readonly [PeerState, PeerState];
  readonly links: readonly Link[];
  readonly dialled: readonly [boolean, boolean];
  /** Sessions that were Established and ended. */
  readonly flaps: number;
  /** What happened, oldest first: shown when an order fails. */
  readonly history: readonly string[];
}

type Choice = (world: World) => World;

/**
 * Visits every order in which two speakers that dial each other once can see their timers, connections and messages, and
 * calls `onEnd` with each world in which nothing is under way any more. Returns the number of worlds seen.
 */
export function exploreAllOrders(speakers: readonly [Speaker, Speaker], onEnd: (world: World) => void): number {
  const start = ([0, 1] as const).reduce((world, side) => feed(speakers, world, side, { type: "start" }), {
    speakers: [initialPeerState, initialPeerState],
    links: [],
    dialled: [false, false],
    flaps: 0,
    history: [],
  } as World);
  const seen = new Set<string>();
  const open: World[] = [start];
  for (let world = open.pop(); world !== undefined; world = open.pop()) {
    const key = keyOf(world);
    if (seen.has(key)) continue;
    seen.add(key);
    const choices = choicesOf(speakers, world);
    if (choices.length === 0) onEnd(world);
    for (const choose of choices) open.push(choose(world));
  }
  return seen.size;
}

/** For each speaker the links on which it is Established. */
export function establishedLinks(world: World): readonly [number[], number[]] {
  const of = (side: 0 | 1): number[] => {
    const speaker = world.speakers[side];
    if (speaker.name !== "active") return [];
    return speaker.connections
      .filter((connection) => connection.state.name === "established")
      .map((connection) => world.links.findIndex((link) => link.ends[side] === connection.id));
  };
  return [of(0), of(1)];
}

function choicesOf(speakers: readonly [Speaker, Speaker], world: World): Choice[] {
  const choices: Choice[] = [];
  for (const side of [0, 1] as const) {
    if (!world.dialled[side] && dialTimerRuns(world.speakers[side]))
      choices.push((before) =>
        feed(speakers, { ...before, dialled: put(before.dialled, side, true) }, side, {
          type: "timer-expired",
          timer: "connect-retry",
        }),
      );
  }
  for (const side of [0, 1] as const)
    for (const connection of delayedConnections(world.speakers[side]))
      choices.push((before) =>
        feed(speakers, before, side, {
          type: "connection",
          connection,
          event: { type: "timer-expired", timer: "delay-open" },
        }),
      );
  world.links.forEach((link, index) => {
    const { opener } = link;
    const acceptor = opener === 0 ? 1 : 0;
    const openerEnd = link.ends[opener];
    if (!link.connected && typeof openerEnd === "number")
      choices.push((before) =>
        feed(speakers, changeLink(before, index, { connected: true }), opener, {
          type: "connection",
          connection: openerEnd,
          event: { type: "connected", localAddress },
        }),
      );
    if (link.ends[acceptor] === "waiting")
      choices.push((before) => feed(speakers, before, acceptor, { type: "accepted", localAddress }, index));
    for (const side of [0, 1] as const) {
      const [first, ...rest] = link.queues[side];
      const end = link.ends[side];
      // What arrives before the dialler or the acceptor has looked waits in the socket.
      if (first === undefined || end === "waiting" || (side === opener && !link.connected && end !== "gone")) continue;
      choices.push((before) => {
        const taken = changeLink(before, index, { queues: put(link.queues, side, rest) });
        if (end === "gone") return taken;
        return feed(speakers, taken, side, {
          type: "connection",
          connection: end,
          event:
            first === "fin"
              ? { type: "lost", kind: "tcp-closed", text: "closed" }
              : { type: "message", message: first },
        });
      });
    }
  });
  return choices;
}

/** The first dial only: the walk ends where nothing but timers would go on. */
function dialTimerRuns(speaker: PeerState): boolean {
  return speaker.name === "active" && speaker.connections.length === 0;
}

function delayedConnections(speaker: PeerState): number[] {
  if (speaker.name !== "active") return [];
  return speaker.connections.filter(({ state }) => state.name === "open-delayed").map(({ id }) => id);
}

function feed(
  speakers: readonly [Speaker, Speaker],
  world: World,
  side: 0 | 1,
  event: FsmEvent,
  accepted?: number,
): World {
  const result = speakers[side].step(world.speakers[side], event, speakers[side].context);
  const happening = event.type === "connection" ? [event.connection, labelOf(event.event)] : [event.type];
  const next = {
    ...world,
    speakers: put(world.speakers, side, result.state),
    history: [
      ...world.history,
      `${"AB"[side]} ${happening.join(" ")} -> ${result.actions.map(actionLabel).join(", ")}`,
    ],
  };
  return result.actions.reduce<World>((before, action) => perform(before, side, action, accepted), next);
}

function labelOf(event: ConnectionEvent): string {
  return event.type === "message" ? event.message.type : event.type;
}

function actionLabel(action: FsmAction): string {
  const connection = "connection" in action ? ` ${action.connection}` : "";
  return `${action.type}${connection}${action.type === "send" ? ` ${action.message.type}` : ""}`;
}

function perform(world: World, side: 0 | 1, action: FsmAction, accepted: number | undefined): World {
  const other = side === 0 ? 1 : 0;
  const linkOf = (connection: number) => world.links.findIndex((link) => link.ends[side] === connection);
  const transmit = (index: number, items: readonly (BgpMessage | "fin")[], ends?: Link["ends"]): World => {
    const link = world.links[index];
    if (link === undefined) throw new Error("no such link");
    return changeLink(world, index, {
      queues: put(link.queues, other, [...link.queues[other], ...items]),
      ...(ends === undefined ? {} : { ends }),
    });
  };
  switch (action.type) {
    case "dial":
      return {
        ...world,
        links: [
          ...world.links,
          {
            opener: side,
            ends: side === 0 ? [action.connection, "waiting"] : ["waiting", action.connection],
            queues: [[], []],
            connected: false,
          },
        ],
      };
    case "adopt":
      if (accepted === undefined) throw new Error("nothing was accepted");
      return changeLink(world, accepted, {
        ends: put(world.links[accepted]?.ends ?? ["gone", "gone"], side, action.connection),
      });
    case "refuse":
      if (accepted === undefined) throw new Error("nothing was accepted");
      return transmit(
        accepted,
        [action.notification, "fin"],
        put(world.links[accepted]?.ends ?? ["gone", "gone"], side, "gone"),
      );
    case "send":
      return transmit(linkOf(action.connection), [action.message]);
    case "close": {
      const index = linkOf(action.connection);
      const ends = put(world.links[index]?.ends ?? ["gone", "gone"], side, "gone");
      return transmit(index, action.notification === undefined ? ["fin"] : [action.notification, "fin"], ends);
    }
    case "down":
      return { ...world, flaps: world.flaps + 1 };
    default:
      return world;
  }
}

function changeLink(world: World, index: number, change: Partial<Link>): World {
  return { ...world, links: world.links.map((link, at) => (at === index ? { ...link, ...change } : link)) };
}

function put<Value>(pair: readonly [Value, Value], side: 0 | 1, value: Value): readonly [Value, Value] {
  return side === 0 ? [value, pair[1]] : [pair[0], value];
}

function keyOf(world: World): string {
  return JSON.stringify([
    world.speakers.map((speaker) => [
      speaker.name,
      speaker.name === "active" ? speaker.connections.map(({ id, state }) => [id, state.name]) : [],
    ]),
    world.links.map((link) => [
      link.opener,
      link.ends,
      link.connected,
      link.queues.map((queue) => queue.map((item) => (item === "fin" ? "fin" : item.type))),
    ]),
    world.dialled,
    world.flaps,
  ]);
}
