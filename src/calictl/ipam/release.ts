import { readFile } from "node:fs/promises";
import { CalibirdError, errorMessage } from "../../core/errors.ts";
import { commonLeaks, type LeakReport, readLeakReport } from "../../ipam/leak-report.ts";
import type { ReleaseRequest } from "../../ipam/release.ts";
import { type CommandContext, UsageError, writeLine } from "../output.ts";
import { originOf } from "./check.ts";
import type { ClusterView } from "./cluster.ts";
import { IpamCommandError } from "./failure.ts";
import { parseAddress } from "./show.ts";

export interface ReleaseOptions {
  readonly config?: string;
  readonly ip?: string;
  readonly handle?: string;
  readonly fromReport?: readonly string[];
  readonly force: boolean;
}

/** `calictl ipam release`: exactly one of an address, a handle and reports. */
export async function releaseIpam(
  context: CommandContext,
  cluster: ClusterView,
  { ip, handle, fromReport, force }: ReleaseOptions,
): Promise<void> {
  if (ip !== undefined) await releaseAddress(context, cluster, ip);
  else if (handle !== undefined) await releaseHandle(context, cluster, handle);
  else if (fromReport !== undefined) await releaseFromReports(context, cluster, fromReport, force);
  else throw new UsageError("ipam release needs --ip, --handle or --from-report");
}

async function releaseAddress(context: CommandContext, { administration, facts }: ClusterView, text: string) {
  const address = parseAddress(text);
  const found = await administration.describeAddress(address);
  if (found === undefined || found.coolingDown)
    throw new IpamCommandError("NOT_ASSIGNED", `IP address ${address} is not assigned`, { address: `${address}` });
  const { handleId, sequenceNumber } = found;
  await administration.release([{ address, sequenceNumber, ...(handleId !== undefined && { handleId }) }]);
  writeLine(context, `Successfully released IP address ${address}`);
  for (const use of facts.uses.filter((each) => each.address.equals(address)))
    context.stderr.write(`calictl: ${use.user} on node ${use.node} still says that it uses ${address}\n`);
}

async function releaseHandle(context: CommandContext, { administration }: ClusterView, handleId: string) {
  const freed = await administration.releaseHandle(handleId);
  if (freed.length === 0)
    throw new IpamCommandError("NOT_ASSIGNED", `handle ${handleId} has no IP address`, { handleId });
  for (const { address } of freed) writeLine(context, `Successfully released IP address ${address}`);
}

async function releaseFromReports(
  context: CommandContext,
  cluster: ClusterView,
  files: readonly string[],
  force: boolean,
): Promise<void> {
  const reports = await Promise.all(files.map(readReport));
  assertUsable(cluster, reports, files, force);
  const { unused, leakedHandles } = commonLeaks(reports);
  writeLine(context, `Releasing ${unused.size} old IPs...`);
  const released = await releaseUnused(cluster, [...unused.values()]);
  writeLine(context, `Released ${released} IPs successfully`);
  if (released < unused.size)
    writeLine(
      context,
      `${unused.size - released} addresses marked as leaked in the report had already been cleaned up.`,
    );
  await deleteHandles(context, cluster, leakedHandles);
  if (cluster.cluster.datastoreReady === false) writeLine(context, "You may now unlock the data store.");
}

async function readReport(path: string): Promise<LeakReport> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(`--from-report ${path}: can't be read: ${errorMessage(error)}`);
  }
  return readLeakReport(path, text);
}

/** Refuses reports that may not be true any more. */
function assertUsable(
  cluster: ClusterView,
  reports: readonly LeakReport[],
  files: readonly string[],
  force: boolean,
): void {
  const now = originOf(cluster);
  for (const [index, { origin }] of reports.entries()) {
    const file = files[index] ?? "";
    if (origin.clusterGuid !== now.clusterGuid)
      throw refused(
        `${file} is about cluster ${origin.clusterGuid || "<none>"}, this is ${now.clusterGuid || "<none>"}`,
      );
    if (origin.version !== now.version && !force)
      throw refused(
        `${file} was written by version ${origin.version}, this is ${now.version}; check again, or --force`,
      );
  }
  if (!force && !now.locked)
    throw refused(
      "the datastore is not locked, so that pods may have taken what the report calls leaked; " +
        "run calictl datastore migrate lock, check again, and release; or --force, which is safe as far as handles and " +
        "sequence numbers tell allocations apart",
    );
  if (!force && reports.every(({ origin }) => origin.clusterRevision !== now.clusterRevision))
    throw refused("the datastore was unlocked since the newest report was made; check again with -o, or --force");
}

/** One by one where a block has changed; how many were released. */
async function releaseUnused({ administration }: ClusterView, requests: readonly ReleaseRequest[]): Promise<number> {
  try {
    return (await administration.release(requests)).length;
  } catch (error) {
    if (!isChanged(error)) throw error;
  }
  let released = 0;
  for (const request of requests)
    try {
      released += (await administration.release([request])).length;
    } catch (error) {
      if (!isChanged(error)) throw error;
    }
  return released;
}

function isChanged(error: unknown): boolean {
  return error instanceof CalibirdError && error.code === "ADDRESS_IN_USE";
}

async function deleteHandles(
  context: CommandContext,
  { administration, survey }: ClusterView,
  handles: ReadonlyMap<string, string>,
): Promise<void> {
  writeLine(context, `Deleting ${handles.size} handles...`);
  writeLine(context, "Key: '.' = Deleted OK; 'x' = skip, handle missing/changed.");
  let released = 0;
  for (const [handleId, revision] of handles) {
    const isSame = `${survey.handles.get(handleId)?.revision ?? ""}` === revision;
    const deleted = isSame && (await administration.correctHandle(handleId));
    if (deleted) released++;
    context.stdout.write(deleted ? "." : "x");
  }
  writeLine(context, handles.size > 0 ? "" : "no handle is leaked");
  writeLine(context, `Released ${released} handles; ${handles.size - released} skipped; 0 errors.`);
}

function refused(message: string): IpamCommandError {
  return new IpamCommandError("REPORT_REFUSED", message);
}
