import { settingOf } from "./setting.ts";
import { parseInteger } from "./values.ts";

const collectionModes = ["on", "dry-run", "off"] as const;
/** `dry-run`: what would be freed is only reported. */
export type CollectionMode = (typeof collectionModes)[number];

/** How the agent keeps the records of addresses true. */
export interface IpamConfig {
  readonly ipamAuditIntervalSec: number;
  readonly ipamCollection: CollectionMode;
}

const setting = settingOf<IpamConfig>();

export const ipamSettings = [
  setting({
    key: "ipamAuditIntervalSec",
    flag: "ipam-audit-interval",
    placeholder: "SECONDS",
    environment: ["CALIBIRD_IPAM_AUDIT_INTERVAL_SEC"],
    help: "how often recorded addresses are compared with those in use; what is unused twice is freed",
    defaultValue: 300,
    parse: (text: string) => parseInteger(text, 1, 86_400, "a number of seconds"),
  }),
  setting({
    key: "ipamCollection",
    flag: "ipam-collection",
    placeholder: "MODE",
    environment: ["CALIBIRD_IPAM_COLLECTION"],
    help: "addresses, handles and blocks that nothing uses: on (they are freed), dry-run (only reported), off",
    defaultValue: "on",
    parse: parseCollectionMode,
  }),
] as const;

function parseCollectionMode(text: string): CollectionMode {
  const mode = collectionModes.find((each) => each === text);
  if (mode === undefined) throw new Error(`it must be one of ${collectionModes.join(", ")}`);
  return mode;
}
