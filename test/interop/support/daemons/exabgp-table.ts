import type { HeardRoute } from "./daemon.ts";

/** A line of ExaBGP's API, encoded as JSON. */
export interface ExaBgpEvent {
  readonly type: "state" | "update" | "notification" | "open" | "refresh";
  readonly neighbor?: {
    readonly address: { readonly peer: string };
    readonly state?: "connected" | "up" | "down";
    readonly message?: { readonly update?: ExaBgpUpdate };
  };
}

interface ExaBgpUpdate {
  readonly attribute?: Readonly<Record<string, unknown>>;
  readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly ExaBgpNlri[]>>>>;
  readonly withdraw?: Readonly<Record<string, readonly ExaBgpNlri[]>>;
}

interface ExaBgpNlri {
  readonly nlri: string;
  readonly "path-information"?: string;
}

const keyOf = ({ nlri, "path-information": pathId }: ExaBgpNlri) => `${nlri} ${pathId ?? ""}`;

/** What a neighbour has announced, as ExaBGP's API tells it message by message. */
export class ExaBgpTable {
  readonly #routes = new Map<string, HeardRoute>();
  #isUp = false;

  get isUp(): boolean {
    return this.#isUp;
  }

  get routes(): readonly HeardRoute[] {
    return [...this.#routes.values()];
  }

  apply({ type, neighbor }: ExaBgpEvent): void {
    if (type === "state") {
      this.#isUp = neighbor?.state === "up";
      if (!this.#isUp) this.#routes.clear();
    }
    const update = neighbor?.message?.update;
    if (type !== "update" || update === undefined) return;
    for (const entries of Object.values(update.withdraw ?? {}))
      for (const entry of entries) this.#routes.delete(keyOf(entry));
    // End-of-RIB is an entry without a prefix.
    for (const family of Object.values(update.announce ?? {}))
      for (const [nextHop, entries] of Object.entries(family))
        for (const entry of entries)
          if (entry.nlri !== undefined) this.#routes.set(keyOf(entry), heardRoute(entry, nextHop, update.attribute));
  }
}

function heardRoute({ nlri }: ExaBgpNlri, nextHop: string, attribute: ExaBgpUpdate["attribute"] = {}): HeardRoute {
  const list = (name: string) => (attribute[name] ?? []) as readonly (readonly number[])[];
  const numberOf = (name: string) => {
    const value = attribute[name];
    return typeof value === "number" ? value : undefined;
  };
  const localPref = numberOf("local-preference");
  const med = numberOf("med");
  const originatorId = attribute["originator-id"];
  const extended = (attribute["extended-community"] ?? []) as readonly { readonly string: string }[];
  return {
    prefix: nlri,
    nextHop,
    asPath: ((attribute["as-path"] ?? []) as readonly number[]).join(" "),
    ...(localPref === undefined ? {} : { localPref }),
    ...(med === undefined ? {} : { med }),
    communities: list("community").map((parts) => parts.join(":")),
    largeCommunities: list("large-community").map((parts) => parts.join(":")),
    routeTargets: extended.flatMap(({ string }) => (string.startsWith("target:") ? [string.slice(7)] : [])),
    ...(typeof originatorId === "string" ? { originatorId } : {}),
    clusterList: (attribute["cluster-list"] ?? []) as readonly string[],
    unknown: Object.entries(attribute).flatMap(([name, value]) => {
      const code = /^attribute-0x([0-9A-F]+)-/i.exec(name)?.[1];
      return code === undefined ? [] : [`${code.toLowerCase()}:${String(value).replace(/^0x/, "").toLowerCase()}`];
    }),
    stale: false,
  };
}
