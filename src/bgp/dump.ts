import { BgpPacketError } from "./packet/errors.ts";
import type { Family } from "./packet/family.ts";
import type { Announcement, CodecContext } from "./packet/message.ts";
import { encodeUpdates } from "./packet/update-encode.ts";
import type { ReceivedRoute } from "./types.ts";

/** Routes that may share an UPDATE. */
const longestRun = 200;

/**
 * A table as the UPDATEs that would announce it, those of one set of attributes together where they come one after another.
 * Routes without a next hop take `ownNextHop`, if it is of their family. What fits into no message of the session is left out.
 */
export function* encodeTable(
  routes: Iterable<ReceivedRoute>,
  context: CodecContext,
  ownNextHop?: Announcement["nextHop"],
): IterableIterator<Uint8Array> {
  let run: ReceivedRoute[] = [];
  for (const route of routes) {
    const [first] = run;
    if (first !== undefined && (run.length === longestRun || !isSameButPrefix(first, route))) {
      yield* encodeRun(run, context, ownNextHop);
      run = [];
    }
    run.push(route);
  }
  yield* encodeRun(run, context, ownNextHop);
}

function isSameButPrefix(left: ReceivedRoute, right: ReceivedRoute): boolean {
  return (
    left.attributes === right.attributes && left.nextHop === right.nextHop && left.prefix.family === right.prefix.family
  );
}

function encodeRun(
  run: readonly ReceivedRoute[],
  context: CodecContext,
  ownNextHop: Announcement["nextHop"] | undefined,
): readonly Uint8Array[] {
  const [first] = run;
  if (first === undefined) return [];
  const family: Family = first.prefix.family === 4 ? "ipv4-unicast" : "ipv6-unicast";
  const own = ownNextHop?.address.family === first.prefix.family ? ownNextHop : undefined;
  const nextHop = first.nextHop ?? own;
  if (nextHop === undefined || !context.families.includes(family)) return [];
  const nlri = run.map(({ prefix, pathId }) => ({ prefix, pathId }));
  try {
    return encodeUpdates(
      { withdrawals: [], announcements: [{ family, nextHop, nlri }], attributes: first.attributes },
      context,
    );
  } catch (error) {
    if (error instanceof BgpPacketError) return [];
    throw error;
  }
}
