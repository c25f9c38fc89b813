import type { BmpView } from "../../bgp/bmp/exporter.ts";
import type { BmpTarget } from "../../bgp/bmp/station.ts";
import { IpAddress } from "../../net/address.ts";
import { settingOf } from "./setting.ts";
import { parseInteger, parsePath } from "./values.ts";

/** Who is told what BGP does, and where it is written down. */
export interface MonitoringConfig {
  readonly bmpStations: readonly BmpTarget[] | undefined;
  readonly bmpViews: readonly BmpView[];
  /** Folder of MRT files; undefined: none are written. */
  readonly mrtDirectory: string | undefined;
  readonly mrtUpdatesSec: number;
  /** 0: no tables. */
  readonly mrtTablesSec: number;
}

const views: readonly BmpView[] = ["adj-rib-in", "adj-rib-out", "loc-rib"];

const setting = settingOf<MonitoringConfig>();

export const monitoringSettings = [
  setting({
    key: "bmpStations",
    flag: "bmp-stations",
    placeholder: "LIST",
    environment: ["CALIBIRD_BMP_STATIONS"],
    help: "BMP stations to tell of sessions and routes, e.g. 192.0.2.1:11019,[2001:db8::1]:11019",
    defaultValue: undefined,
    parse: (text: string) => text.split(",").map((part) => parseStation(part.trim())),
  }),
  setting({
    key: "bmpViews",
    flag: "bmp-views",
    placeholder: "LIST",
    environment: ["CALIBIRD_BMP_VIEWS"],
    help: "what BMP stations are told: adj-rib-in (before policy), adj-rib-out (after it), loc-rib",
    defaultValue: ["adj-rib-in", "loc-rib"],
    parse: (text: string) => text.split(",").map((part) => parseView(part.trim())),
  }),
  setting({
    key: "mrtDirectory",
    flag: "mrt-dir",
    placeholder: "DIR",
    environment: ["CALIBIRD_MRT_DIR"],
    help: "folder of MRT files of what peers send and of all tables (default: none are written)",
    defaultValue: undefined,
    parse: parsePath,
  }),
  setting({
    key: "mrtUpdatesSec",
    flag: "mrt-updates-interval",
    placeholder: "SECONDS",
    environment: ["CALIBIRD_MRT_UPDATES_INTERVAL"],
    help: "how long one MRT file of updates lasts",
    defaultValue: 900,
    parse: (text: string) => parseInteger(text, 1, 86_400, "a number of seconds"),
  }),
  setting({
    key: "mrtTablesSec",
    flag: "mrt-tables-interval",
    placeholder: "SECONDS",
    environment: ["CALIBIRD_MRT_TABLES_INTERVAL"],
    help: "how often all tables are written to an MRT file; 0 is never",
    defaultValue: 7_200,
    parse: (text: string) => parseInteger(text, 0, 604_800, "a number of seconds"),
  }),
];

function parseStation(text: string): BmpTarget {
  const [, bracketed, plain, port = ""] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = IpAddress.tryParse(bracketed ?? plain ?? "");
  if (address === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new Error("must be addresses with ports, such as 192.0.2.1:11019,[2001:db8::1]:11019");
  return { address, port: Number(port) };
}

function parseView(text: string): BmpView {
  const view = views.find((known) => known === text);
  if (view === undefined) throw new Error(`must be a list of ${views.join(", ")}`);
  return view;
}
