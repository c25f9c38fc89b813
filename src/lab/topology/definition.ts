import { type CommandLine, parseCommandLine } from "./command-line.ts";
import { nodeFields } from "./fields.ts";
import type { Field, TopologyReader } from "./reader.ts";

/** A file or folder of the host that a node sees at a path of its own. */
export interface Bind {
  /** As written: absolute, or relative to the topology file; may hold containerlab's magic variables. */
  readonly source: string;
  /** Absolute path in the node. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** What one of the four levels (defaults, kind, group, node) says of a node; absent fields are left to the other levels. */
export interface NodeDefinition {
  readonly kind?: string;
  readonly group?: string;
  readonly networkMode?: string;
  readonly entrypoint?: CommandLine;
  readonly cmd?: CommandLine;
  readonly exec: readonly CommandLine[];
  readonly binds: readonly Bind[];
  readonly env: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  readonly sysctls: ReadonlyMap<string, string>;
  /** Where the level starts, and where its `kind` and `group` stand if it has them. */
  readonly place: Field;
  readonly kindPlace?: Field;
  readonly groupPlace?: Field;
}

/** Reads one level; mistakes go to the reader's list. */
export function readDefinition(reader: TopologyReader, place: Field): NodeDefinition {
  const fields = reader.fields(place, nodeFields);
  const kindPlace = fields.get("kind");
  const groupPlace = fields.get("group");
  const kind = kindPlace && reader.string(kindPlace);
  const group = groupPlace && reader.string(groupPlace);
  const networkMode = readNetworkMode(reader, fields.get("network-mode"));
  const entrypoint = readCommand(reader, fields.get("entrypoint"));
  const cmd = readCommand(reader, fields.get("cmd"));
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(group === undefined ? {} : { group }),
    ...(networkMode === undefined ? {} : { networkMode }),
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(cmd === undefined ? {} : { cmd }),
    exec: readList(reader, fields.get("exec"), readCommand),
    binds: readList(reader, fields.get("binds"), readBind),
    env: readTexts(reader, fields.get("env"), /^[^=\0]+$/, "a variable name without ="),
    labels: readTexts(reader, fields.get("labels"), /./, "a label name"),
    sysctls: readTexts(
      reader,
      fields.get("sysctls"),
      /^net\.[a-z0-9_.*/-]+$/,
      "a sysctl below net., the part a node has of its own",
    ),
    place,
    ...(kindPlace === undefined ? {} : { kindPlace }),
    ...(groupPlace === undefined ? {} : { groupPlace }),
  };
}

function readList<Value>(
  reader: TopologyReader,
  field: Field | undefined,
  read: (reader: TopologyReader, item: Field) => Value | undefined,
): Value[] {
  if (field === undefined) return [];
  const values: Value[] = [];
  for (const item of reader.items(field)) {
    const value = read(reader, item);
    if (value !== undefined) values.push(value);
  }
  return values;
}

function readCommand(reader: TopologyReader, field: Field | undefined): CommandLine | undefined {
  const text = field && reader.string(field);
  if (field === undefined || text === undefined) return undefined;
  const result = parseCommandLine(text);
  if (result.ok) return result.value;
  reader.problem(field, result.message);
  return undefined;
}

function readBind(reader: TopologyReader, field: Field): Bind | undefined {
  const text = reader.string(field);
  if (text === undefined) return undefined;
  const [source, target, mode, ...rest] = text.split(":");
  if (source === undefined || source === "" || target === undefined || target === "" || rest.length > 0) {
    reader.problem(field, `"${text}" is not a bind; write HOST-PATH:NODE-PATH or HOST-PATH:NODE-PATH:ro`);
    return undefined;
  }
  const options = mode === undefined ? [] : mode.split(",");
  const unknown = options.find((option) => !["ro", "rw", "z", "Z"].includes(option));
  if (unknown !== undefined) {
    reader.problem(field, `"${text}" has the unknown option "${unknown}"; write ro for read-only, or leave it out`);
    return undefined;
  }
  if (!target.startsWith("/") || target.split("/").some((part) => part === ".." || part === ".")) {
    reader.problem(field, `"${target}" in "${text}" is not an absolute path in the node`);
    return undefined;
  }
  const reserved = ["/", "/proc", "/sys", "/dev", "/run"].find((path) => target === path || target === `${path}/`);
  if (reserved !== undefined) {
    reader.problem(field, `"${reserved}" in "${text}" belongs to the node itself; bind a path below it or elsewhere`);
    return undefined;
  }
  return { source, target: target.replace(/\/+$/, ""), readOnly: options.includes("ro") };
}

function readTexts(
  reader: TopologyReader,
  field: Field | undefined,
  names: RegExp,
  what: string,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  if (field === undefined) return values;
  for (const [name, place] of reader.entries(field)) {
    if (!names.test(name)) {
      reader.problem(place, `"${name}" is not ${what}`);
      continue;
    }
    const value = reader.isEmpty(place) ? "" : reader.text(place);
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

function readNetworkMode(reader: TopologyReader, field: Field | undefined): string | undefined {
  const mode = field && reader.string(field);
  if (field === undefined || mode === undefined || mode === "none") return mode;
  if (mode === "bridge") {
    reader.notice(field, "there is no management network in this lab");
    return mode;
  }
  reader.problem(field, `network mode "${mode}" is not supported in this lab; write none, or leave it out`);
  return undefined;
}
