import {
  type ExactJson,
  type ExactJsonObject,
  formatExactJson,
  isExactList,
  isExactObject,
  parseExactJson,
} from "../core/exact-json.ts";
import { IpAddress } from "../net/address.ts";
import type { IpamReport } from "./check.ts";
import { IpamError } from "./errors.ts";
import type { ReleaseRequest } from "./release.ts";

/** The cluster that a report is about, and when it was made. */
export interface ReportOrigin {
  /** Of the program that wrote it. */
  readonly version: string;
  readonly clusterGuid: string;
  readonly clusterType: string;
  /** Of the object ClusterInformation, which changes when the datastore is locked or unlocked. */
  readonly clusterRevision: string;
  readonly locked: boolean;
}

/** What a report says can be released. */
export interface LeakReport {
  readonly origin: ReportOrigin;
  /** Allocations that nothing used, by address. */
  readonly unused: ReadonlyMap<string, Required<ReleaseRequest>>;
  /** Handles without an address, and their revision. */
  readonly leakedHandles: ReadonlyMap<string, string>;
}

/** The text of a report as calicoctl writes it: all allocations, and who uses them. */
export function printLeakReport(report: IpamReport, origin: ReportOrigin): string {
  const allocations: Record<string, ExactJson> = {};
  const leaked = new Set(report.leaked);
  for (const { allocation, uses } of report.allocations) {
    const { address, handleId, sequenceNumber, attributes, coolingDown, isBorrowed } = allocation;
    const { pod, namespace, node, type, timestamp } = attributes;
    allocations[`${address}`] = [
      {
        ip: `${address}`,
        ...(handleId !== undefined && { handle: handleId }),
        sequenceNumber,
        ...given({ pod, namespace, node, type, creationTimestamp: timestamp }),
        inUse: uses.length > 0 || !leaked.has(allocation),
        ...(isBorrowed && { borrowed: true }),
        ...(coolingDown && { coolingDown: true }),
        owners: uses.length === 0 ? null : uses.map(({ user }) => user),
      },
    ];
  }
  const leakedHandles = report.emptyHandles.map(({ handleId, revision }) => ({
    ID: handleId,
    UID: null,
    Revision: `${revision}`,
  }));
  return formatExactJson({
    version: origin.version,
    clusterGUID: origin.clusterGuid,
    datastoreLocked: origin.locked,
    clusterInformationRevision: origin.clusterRevision,
    clusterType: origin.clusterType,
    allocations,
    ...(leakedHandles.length > 0 && { leakedHandles }),
  });
}

/** Reads a report of ours or of calicoctl. Throws `INVALID_REPORT` with `name` in it. */
export function readLeakReport(name: string, text: string): LeakReport {
  const fail = (reason: string) =>
    new IpamError("INVALID_REPORT", `${name} is no report of "ipam check -o": ${reason}`, { file: name });
  let value: ExactJson;
  try {
    value = parseExactJson(text);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error));
  }
  if (!isExactObject(value) || !isExactObject(value.allocations)) throw fail("it has no allocations");
  const unused = new Map<string, Required<ReleaseRequest>>();
  for (const [ip, records] of Object.entries(value.allocations)) {
    const address = IpAddress.tryParse(ip);
    if (address === undefined || !isExactList(records)) throw fail(`allocations["${ip}"] is not a list of an address`);
    for (const record of records) {
      if (!isExactObject(record) || record.inUse !== false || record.coolingDown === true) continue;
      const { handle, sequenceNumber } = record;
      // What has no handle can't be told from what has taken its place; sequence numbers start with the clock, never at 0.
      if (typeof handle !== "string" || (typeof sequenceNumber !== "bigint" && typeof sequenceNumber !== "number"))
        continue;
      unused.set(ip, { address, handleId: handle, sequenceNumber: BigInt(sequenceNumber) });
    }
  }
  const handles = isExactList(value.leakedHandles) ? value.leakedHandles.filter(isExactObject) : [];
  return {
    origin: {
      version: textOf(value.version),
      clusterGuid: textOf(value.clusterGUID),
      clusterType: textOf(value.clusterType),
      clusterRevision: textOf(value.clusterInformationRevision),
      locked: value.datastoreLocked === true,
    },
    unused,
    leakedHandles: new Map(handles.map(({ ID, Revision }) => [textOf(ID), textOf(Revision)])),
  };
}

/** What every one of the reports says: the same allocations and handles, leaked each time. */
export function commonLeaks(reports: readonly LeakReport[]): Pick<LeakReport, "unused" | "leakedHandles"> {
  const [first, ...others] = reports;
  const unused = [...(first?.unused ?? [])].filter(([ip, { handleId, sequenceNumber }]) =>
    others.every((other) => {
      const same = other.unused.get(ip);
      return same?.handleId === handleId && same.sequenceNumber === sequenceNumber;
    }),
  );
  const handles = [...(first?.leakedHandles ?? [])].filter(([id, revision]) =>
    others.every(({ leakedHandles }) => leakedHandles.get(id) === revision),
  );
  return { unused: new Map(unused), leakedHandles: new Map(handles) };
}

function given(fields: Readonly<Record<string, string | undefined>>): ExactJsonObject {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

function textOf(value: ExactJson | undefined): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint" ? `${value}` : "";
}
