import { systemClock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Datastore } from "../../datastore/datastore.ts";
import { ResourceCache, type ResourceChange } from "../../datastore/resource-cache.ts";
import { kinds, type ResourceKind } from "../../resources/kinds.ts";
import type { AnyResource } from "../../resources/resource.ts";
import type { CommandContext } from "../output.ts";
import { pause } from "../pause.ts";
import type { GetFormat } from "./get-format.ts";
import { createChangeWriter, type ObjectChange } from "./write-changes.ts";
import type { WriteOptions } from "./write-found.ts";

export interface WatchScope {
  readonly kind: ResourceKind;
  /** Absent: every name. */
  readonly names?: readonly string[];
  /** Absent: every namespace. */
  readonly namespace?: string;
}

/** The process lives as long as somebody watches; the store's own timers and sockets don't keep it. */
const KEEP_ALIVE_MS = 60_000;

const types: Record<ResourceChange<ResourceKind>["type"], ObjectChange["type"]> = {
  added: "ADDED",
  updated: "MODIFIED",
  removed: "DELETED",
};

/**
 * Prints the objects as they are now, then every change, until `context.signal` aborts or the process ends. Broken connections
 * and compactions of the store lose nothing: what has changed meanwhile is printed as far as it shows in the end.
 */
export async function watchResources(
  context: CommandContext,
  datastore: Datastore,
  scope: WatchScope,
  format: GetFormat,
  options: WriteOptions,
): Promise<void> {
  const cache = new ResourceCache({
    datastore,
    kind: scope.kind,
    clock: systemClock,
    logger: warningsTo(context),
  });
  const writer = await createChangeWriter(context, scope.kind, format, options);
  const inScope = ({ metadata }: AnyResource) =>
    (scope.namespace === undefined || !kinds[scope.kind].namespaced || metadata.namespace === scope.namespace) &&
    scope.names?.includes(metadata.name) !== false;
  let listed = false;
  cache.onChange((changes) => {
    if (!listed) return;
    const seen = changes.map((change) => ({
      type: types[change.type],
      object: (change.type === "removed" ? change.previous : change.resource) as AnyResource,
    }));
    writer.write(seen.filter(({ object }) => inScope(object)));
  });
  try {
    await cache.start();
    const objects = (cache.list() as readonly AnyResource[]).filter(inScope);
    writer.begin(objects.map((object) => ({ type: "ADDED", object })));
    listed = true;
    while (await pause(KEEP_ALIVE_MS, context.signal));
  } finally {
    cache.stop();
  }
}

/** What the cache has to say, such as that a stored value can't be used, on stderr. */
function warningsTo(context: CommandContext): Logger {
  const logger: Logger = {
    ...silentLogger,
    child: () => logger,
    warn: (fields, message) => {
      const { error } = fields as { readonly error?: unknown };
      context.stderr.write(`calictl: ${message}${error === undefined ? "" : `: ${String(error)}`}\n`);
    },
  };
  return logger;
}
