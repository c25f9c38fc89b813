import type { IpAddress } from "../net/address.ts";
import { BgpPacketError } from "./packet/errors.ts";
import type { Family } from "./packet/family.ts";
import type { CodecContext } from "./packet/message.ts";
import { encodeUpdates } from "./packet/update-encode.ts";
import type { ReceivedRoute } from "./paths.ts";

/** Routes that may share an UPDATE. */
const longestRun = 200;

/**
 * A table as the UPDATEs that would announce it, those of one set of attributes together where they come one after another.
 * Routes without a next hop take that of `ownAddresses` that is of their family. What fits into no message of the session is left out.
 */
export function* encodeTable(
  routes: Iterable<ReceivedRoute>,
  context: CodecContext,
  ownAddresses: readonly IpAddress[] = [],
): IterableIterator<Uint8Array> {
  let run: ReceivedRoute[] = [];
  for (const route of routes) {
    const [first] = run;
    if (first !== undefined && (run.length === longestRun || !isSameButPrefix(first, route))) {
      yield* encodeRun(run, context, ownAddresses);
      run = [];
    }
    run.push(route);
  }
  yield* encodeRun(run, context, ownAddresses);
}

function isSameButPrefix(left: ReceivedRoute, right: ReceivedRoute): boolean {
  return (
    left.attributes === right.attributes && left.nextHop === right.nextHop && left.prefix.family === right.prefix.family
  );
}

function encodeRun(
  run: readonly ReceivedRoute[],
  context: CodecContext,
  ownAddresses: readonly IpAddress[],
): readonly Uint8Array[] {
  const [first] = run;
  if (first === undefined) return [];
  const family: Family = first.prefix.family === 4 ? "ipv4-unicast" : "ipv6-unicast";
  const own = ownAddresses.find((address) => address.family === first.prefix.family);
  const nextHop = first.nextHop ?? (own && { address: own });
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
