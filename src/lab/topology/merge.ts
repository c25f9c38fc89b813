import type { CommandLine } from "./command-line.ts";
import type { Bind, NodeDefinition } from "./definition.ts";

/** The levels of a file that a node's definition is put together from. */
export interface Levels {
  readonly defaults: NodeDefinition | undefined;
  readonly kinds: ReadonlyMap<string, NodeDefinition>;
  readonly groups: ReadonlyMap<string, NodeDefinition>;
}

/** A node's definition after inheritance. */
export interface MergedDefinition {
  readonly networkMode: string | undefined;
  /** Entry point and command together: what runs as the node's main process; empty if nothing does. */
  readonly command: readonly string[];
  readonly exec: readonly CommandLine[];
  readonly binds: readonly Bind[];
  readonly env: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  readonly sysctls: ReadonlyMap<string, string>;
}

/** The node's kind: its own, else its group's, else that of the default group, else the default kind. */
export function kindOf(node: NodeDefinition, levels: Levels): string | undefined {
  const groupKind = (group: string | undefined) => (group === undefined ? undefined : levels.groups.get(group)?.kind);
  return node.kind ?? groupKind(node.group) ?? groupKind(levels.defaults?.group) ?? levels.defaults?.kind;
}

/** The node's group: its own, else its kind's, else the default one. */
export function groupOf(node: NodeDefinition, kind: string, levels: Levels): string | undefined {
  return node.group ?? levels.kinds.get(kind)?.group ?? levels.defaults?.group;
}

/**
 * Puts a node together as containerlab does: defaults, kind, group and node from the weakest to the strongest. Single values
 * and the entries of mappings are overridden by the stronger level, binds by their target path, and the `exec` lists of all
 * levels are run one after the other.
 */
export function mergeDefinition(node: NodeDefinition, kind: string, levels: Levels): MergedDefinition {
  const group = groupOf(node, kind, levels);
  const chain = [
    levels.defaults,
    levels.kinds.get(kind),
    group === undefined ? undefined : levels.groups.get(group),
    node,
  ].filter((level) => level !== undefined);
  const strongest = <Value>(pick: (level: NodeDefinition) => Value | undefined) =>
    chain.map(pick).findLast((value) => value !== undefined);
  const binds = new Map(chain.flatMap((level) => level.binds).map((bind) => [bind.target, bind]));
  return {
    networkMode: strongest((level) => level.networkMode),
    command: [
      ...(strongest((level) => level.entrypoint)?.argv ?? []),
      ...(strongest((level) => level.cmd)?.argv ?? []),
    ],
    exec: chain.flatMap((level) => level.exec),
    binds: [...binds.values()],
    env: new Map(chain.flatMap((level) => [...level.env])),
    labels: new Map(chain.flatMap((level) => [...level.labels])),
    sysctls: new Map(chain.flatMap((level) => [...level.sysctls])),
  };
}
