import { systemClock } from "../../core/clock.ts";
import { CalibirdError } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import { NatError } from "../../nat/errors.ts";
import { readTables } from "../../nat/listing.ts";
import { NatManager } from "../../nat/manager.ts";
import type { NftRunner } from "../../nat/program.ts";
import type { TableFamily } from "../../nat/table.ts";
import type { NetlinkAccess, NetlinkResult } from "../../netlink/types.ts";
import { type CleanupPlan, type CleanupSettings, type Leftover, planCleanup } from "./plan.ts";

type CleanupErrorCode = "AGENT_ANSWERS" | "NEEDS_ROOT" | "NOT_CONFIRMED" | "CLEANUP_INCOMPLETE";

/** Nothing was removed, or (`CLEANUP_INCOMPLETE`) not all. */
export class CleanupError extends CalibirdError<CleanupErrorCode> {}

/** The kernel's state, and what nft says. */
export interface CleanupAccess {
  readonly netlink: Pick<NetlinkAccess, "routes" | "links" | "addresses" | "execute">;
  readonly runNft: NftRunner;
}

/** How many requests the kernel gets at a time. */
const sliceLength = 1_000;
/** It has gone by itself, for example with its device. */
const isGone: ReadonlySet<string> = new Set(["ESRCH", "ENODEV", "EADDRNOTAVAIL"]);

/** What an agent with these settings left in the kernel. Rejects with a NatError if nft does not answer. */
export async function findLeftovers(
  { netlink, runNft }: CleanupAccess,
  settings: CleanupSettings,
  pods: boolean,
): Promise<CleanupPlan> {
  const state = {
    routes: await netlink.routes(),
    links: await netlink.links(),
    addresses: await netlink.addresses(),
    tables: await ownTables(runNft),
  };
  return planCleanup(state, settings, pods);
}

/** Removes what was found. Goes on after a failure and throws `CLEANUP_INCOMPLETE` at the end. */
export async function removeLeftovers(
  { netlink, runNft }: CleanupAccess,
  leftovers: readonly Leftover[],
): Promise<void> {
  const failures: string[] = [];
  const inKernel = leftovers.filter((leftover) => leftover.kind !== "table");
  for (let start = 0; start < inKernel.length; start += sliceLength) {
    const slice = inKernel.slice(start, start + sliceLength);
    const results = await netlink.execute(slice.map(({ request }) => request));
    failures.push(...slice.flatMap(({ kind, name }, at) => failureText(`${kind} ${name}`, results[at])));
  }
  if (inKernel.length < leftovers.length)
    try {
      await new NatManager({
        run: runNft,
        clock: systemClock,
        random: Math.random,
        logger: silentLogger,
      }).remove();
    } catch (error) {
      if (!(error instanceof NatError)) throw error;
      failures.push(`tables: ${error.message}`);
    }
  const [first] = failures;
  if (first !== undefined)
    throw new CleanupError(
      "CLEANUP_INCOMPLETE",
      `${failures.length} of ${leftovers.length} could not be removed, first ${first}; run it again`,
      { failures },
    );
}

function failureText(name: string, result: NetlinkResult | undefined): string[] {
  if (result === undefined || result.ok || isGone.has(result.code)) return [];
  return [`${name}: ${result.message} (${result.code})`];
}

async function ownTables(runNft: NftRunner): Promise<readonly TableFamily[]> {
  try {
    return readTables(await runNft([{ list: { tables: null } }]));
  } catch (error) {
    // Where nft never was there are no tables of ours either.
    if (error instanceof NatError && error.code === "NFT_MISSING") return [];
    throw error;
  }
}
