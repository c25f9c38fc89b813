import { nearestName } from "../../core/nearest-name.ts";
import type { CommandLine } from "./command-line.ts";
import { type Bind, type NodeDefinition, readDefinition } from "./definition.ts";
import { fileFields, topologyFields } from "./fields.ts";
import { type LabLink, readLinks } from "./links.ts";
import { groupOf, kindOf, type Levels, mergeDefinition } from "./merge.ts";
import { TopologyError, type TopologyRemark } from "./problem.ts";
import { type Field, TopologyReader } from "./reader.ts";

/** A bridge node is one bridge device; a linux node runs processes. */
export type LabNodeKind = "linux" | "bridge";

/** A node with everything that it inherits. */
export interface LabNode {
  readonly name: string;
  readonly kind: LabNodeKind;
  /** The main process; empty if the node just exists. */
  readonly command: readonly string[];
  /** Run one after the other once all links are up. */
  readonly exec: readonly CommandLine[];
  readonly binds: readonly Bind[];
  readonly env: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  /** `net.ipv4.ip_forward` -> `1`. */
  readonly sysctls: ReadonlyMap<string, string>;
}

/** A topology file, checked: every link's nodes exist and every interface is used once. */
export interface LabTopology {
  readonly name: string;
  readonly nodes: readonly LabNode[];
  readonly links: readonly LabLink[];
  /** What containerlab knows and this lab does without. */
  readonly notices: readonly TopologyRemark[];
}

/** Names become parts of paths, host names and names of network namespaces. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;
const nameRule = "a name of up to 32 letters, digits, dots, dashes and underscores that starts with a letter or digit";

/** True if a lab may have this name. */
export function isLabName(name: string): boolean {
  return namePattern.test(name);
}

/**
 * Reads a containerlab topology. Throws `TopologyError` with every mistake of the text at once; `fileName` is for its
 * message only.
 */
export function parseTopology(text: string, fileName: string): LabTopology {
  const reader = new TopologyReader(text);
  if (reader.problems.length > 0) throw new TopologyError(fileName, reader.problems);
  const file = reader.fields(reader.root, fileFields);
  const name = readName(reader, file.get("name"));
  const topology = file.get("topology");
  if (topology === undefined) reader.problem(reader.root, "the file has no topology: with the lab's nodes and links");
  const sections = topology === undefined ? new Map<string, Field>() : reader.fields(topology, topologyFields);
  const levels = readLevels(reader, sections);
  const nodes = readNodes(reader, sections.get("nodes"), levels);
  if (topology !== undefined && !sections.has("nodes"))
    reader.problem(topology, "the topology has no nodes: with at least one node");
  const linkable = new Map(nodes.map((node) => [node.name, node]));
  const links = readLinks(reader, sections.get("links"), linkable);
  if (reader.problems.length > 0) throw new TopologyError(fileName, reader.problems);
  return {
    name,
    nodes: nodes.flatMap((node) => (node.node === undefined ? [] : [node.node])),
    links,
    notices: reader.notices,
  };
}

/** The lab's name in a file that may be wrong otherwise, so that a lab can be removed with a file that was edited since. */
export function readLabName(text: string, fileName: string): string {
  const reader = new TopologyReader(text);
  const name = reader.problems.length > 0 ? "" : readName(reader, reader.entries(reader.root).get("name"));
  if (reader.problems.length > 0) throw new TopologyError(fileName, reader.problems);
  return name;
}

function readName(reader: TopologyReader, field: Field | undefined): string {
  if (field === undefined) {
    reader.problem(reader.root, "the file has no name: for the lab");
    return "";
  }
  const name = reader.text(field) ?? "";
  if (name !== "" && !isLabName(name)) reader.problem(field, `"${name}" is not ${nameRule}`);
  return name;
}

function readLevels(reader: TopologyReader, sections: ReadonlyMap<string, Field>): Levels {
  const defaults = sections.get("defaults");
  const named = (section: string) => {
    const field = sections.get(section);
    const levels = new Map<string, NodeDefinition>();
    if (field === undefined) return levels;
    for (const [name, place] of reader.entries(field)) levels.set(name, readDefinition(reader, place));
    return levels;
  };
  return {
    defaults: defaults && readDefinition(reader, defaults),
    kinds: named("kinds"),
    groups: named("groups"),
  };
}

interface ReadNode {
  readonly name: string;
  readonly kind: string;
  readonly networkMode: string | undefined;
  /** Absent if the node has a mistake; it is kept so that links to it are not reported as well. */
  readonly node?: LabNode;
}

function readNodes(reader: TopologyReader, field: Field | undefined, levels: Levels): ReadNode[] {
  if (field === undefined) return [];
  const entries = reader.entries(field);
  if (entries.size === 0 && (reader.isEmpty(field) || reader.isMapping(field)))
    reader.problem(field, "the lab has no nodes; name at least one");
  return [...entries].map(([name, place]) => readNode(reader, name, readDefinition(reader, place), levels));
}

function readNode(reader: TopologyReader, name: string, definition: NodeDefinition, levels: Levels): ReadNode {
  const kind = kindOf(definition, levels);
  const place = definition.kindPlace ?? definition.place;
  const unusable = { name, kind: kind ?? "", networkMode: definition.networkMode };
  if (!namePattern.test(name)) {
    reader.problem(definition.place, `"${name}" is not ${nameRule}`);
    return unusable;
  }
  if (kind === undefined) {
    reader.problem(place, "the node has no kind, and neither its group nor the defaults give one; write kind: linux");
    return unusable;
  }
  if (kind !== "linux" && kind !== "bridge") {
    const nearest = nearestName(kind, ["linux", "bridge"]);
    const proposal = nearest === undefined ? "kinds here are linux and bridge" : `did you mean ${nearest}?`;
    reader.problem(place, `kind "${kind}" is not supported in this lab; ${proposal}`);
    return unusable;
  }
  const group = groupOf(definition, kind, levels);
  // containerlab also takes a group as a free label for drawings, so an unknown one is no mistake.
  if (definition.groupPlace !== undefined && group !== undefined && levels.groups.size > 0 && !levels.groups.has(group))
    reader.notice(definition.groupPlace, `topology.groups has no "${group}", so nothing is inherited from it`);
  if (kind === "bridge" && name.length > 15) {
    reader.problem(definition.place, `"${name}" is also the bridge's device name, which has at most 15 characters`);
    return unusable;
  }
  const { networkMode, ...merged } = mergeDefinition(definition, kind, levels);
  return { name, kind, networkMode, node: { name, kind, ...merged } };
}
