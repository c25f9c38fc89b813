import { accessSync, constants, existsSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { LabError } from "../errors.ts";
import type { LabLink } from "../topology/links.ts";
import type { LabNode, LabTopology } from "../topology/topology.ts";
import { labPaths, nodePath, nodePaths } from "./paths.ts";
import { type ExistingFolder, type Mount, ownFolders } from "./setup-script.ts";

/** A node ready to be made: nothing in it is relative or symbolic any more. */
export interface PlannedNode {
  readonly name: string;
  readonly kind: "linux" | "bridge";
  readonly command: readonly string[];
  readonly exec: readonly { readonly text: string; readonly argv: readonly string[] }[];
  readonly mounts: readonly Mount[];
  readonly env: Readonly<Record<string, string>>;
  readonly sysctls: ReadonlyMap<string, string>;
}

/** A whole lab ready to be made. */
export interface LabPlan {
  readonly name: string;
  /** Absolute path of the topology file. */
  readonly file: string;
  readonly nodes: readonly PlannedNode[];
  readonly links: readonly LabLink[];
  /** Nodes that are left out, and the program that they need and the machine lacks. */
  readonly skipped: readonly { readonly node: string; readonly program: string }[];
}

/** What a lab itself runs, by the Debian package that has it. */
const neededPrograms = { ip: "iproute2", nsenter: "util-linux", unshare: "util-linux", mount: "mount" };

/** Label of a node that only makes sense if a program is installed. */
const requiresLabel = "calibird.requires";

/**
 * Resolves a topology on this machine, without changing anything. Throws LAB_UNSUPPORTED if the machine cannot run labs, and
 * LAB_START_FAILED with a line for every file that is missing.
 */
export function planLab(topology: LabTopology, file: string, name: string): LabPlan {
  if (process.getuid?.() !== 0)
    throw new LabError("LAB_UNSUPPORTED", "a lab makes network namespaces, which takes root: run it with sudo");
  const lacking = Object.entries(neededPrograms).filter(([program]) => !isInstalled(program));
  if (lacking.length > 0)
    throw new LabError(
      "LAB_UNSUPPORTED",
      `a lab needs ${lacking.map(([program, source]) => `${program} (Debian package ${source})`).join(", ")}`,
    );
  const skipped = topology.nodes.flatMap((node) => {
    const program = node.labels.get(requiresLabel);
    return program === undefined || isInstalled(program) ? [] : [{ node: node.name, program }];
  });
  const isKept = (node: string) => skipped.every((entry) => entry.node !== node);
  const missing: string[] = [];
  const nodes = topology.nodes
    .filter((node) => isKept(node.name))
    .map((node) => planNode(node, { file, name, missing }));
  if (missing.length > 0) throw new LabError("LAB_START_FAILED", missing.join("\n"), { file });
  const links = topology.links.filter((link) => link.endpoints.every((end) => isKept(end.node)));
  return { name, file, nodes, links, skipped };
}

function planNode(node: LabNode, context: { file: string; name: string; missing: string[] }): PlannedNode {
  const { file, name, missing } = context;
  const expand = (text: string) => expandMagic(text, name, node.name);
  const paths = nodePaths(name, node.name);
  const files = labPaths(name).files;
  const own: Mount[] = [
    { source: paths.run, isDirectory: true, target: ownFolders.run, readOnly: false },
    { source: paths.state, isDirectory: true, target: ownFolders.state, readOnly: false },
    { source: labPaths(name).bin, isDirectory: true, target: ownFolders.bin, readOnly: true },
  ];
  const binds = node.kind === "bridge" ? [] : node.binds;
  const mounts = binds.flatMap((bind): Mount[] => {
    const source = resolve(dirname(file), expand(bind.source));
    const target = resolveTarget(expand(bind.target));
    // Below the lab's own directory containerlab lets the container runtime make what is missing: folders.
    const isOwn = source.startsWith(`${files}/`) || source === files;
    const status = statSync(source, { throwIfNoEntry: false });
    if (status === undefined && !isOwn) {
      missing.push(`${file}: node ${node.name} binds ${source}, which does not exist`);
      return [];
    }
    if (nearestFolder(target).folder === "/" && !existsSync(target) && !isBelowAny(target, [...own, ...binds])) {
      missing.push(`${file}: node ${node.name} binds to ${target}; choose a path below a folder that this machine has`);
      return [];
    }
    return [{ source, target, isDirectory: status?.isDirectory() ?? true, readOnly: bind.readOnly }];
  });
  const replaced = new Set(mounts.map((mount) => mount.target));
  return {
    name: node.name,
    kind: node.kind,
    command: node.command.map(expand),
    exec: node.kind === "bridge" ? [] : node.exec.map(({ text, argv }) => ({ text, argv: argv.map(expand) })),
    mounts: [...own.filter((mount) => !replaced.has(mount.target)), ...mounts],
    env: {
      PATH: nodePath,
      HOME: "/root",
      HOSTNAME: node.name,
      LANG: "C.UTF-8",
      TERM: process.env.TERM ?? "dumb",
      ...Object.fromEntries([...node.env].map(([key, value]) => [key, expand(value)])),
    },
    sysctls: node.sysctls,
  };
}

/** Makes the folders of the host that a plan's nodes see. */
export function makeSources(plan: LabPlan): void {
  for (const node of plan.nodes) {
    const paths = nodePaths(plan.name, node.name);
    for (const folder of [paths.run, paths.state, paths.mount]) mkdirSync(folder, { recursive: true });
    for (const mount of node.mounts) if (!existsSync(mount.source)) mkdirSync(mount.source, { recursive: true });
  }
}

/** The nearest folder at or above a path that exists on this machine. */
export const nearestFolder: ExistingFolder = (path) => {
  if (existsSync(path)) return { folder: dirname(path), exists: true };
  let folder = dirname(path);
  while (!existsSync(folder)) folder = dirname(folder);
  return { folder, exists: false };
};

/** containerlab's magic variables; its lab directory is one of ours, so that labs side by side do not share it. */
function expandMagic(text: string, lab: string, node: string): string {
  const { files } = labPaths(lab);
  return text
    .replaceAll("__clabNodeDir__", join(files, node))
    .replaceAll("__clabDir__", files)
    .replaceAll("__clabNodeName__", node)
    .replaceAll("__clabLabName__", lab);
}

/** The path with the symbolic links of its existing part resolved: `/var/run/x` is `/run/x`. */
function resolveTarget(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const { folder } = nearestFolder(path);
  return join(realpathSync(folder), path.slice(folder === "/" ? 0 : folder.length));
}

function isBelowAny(path: string, mounts: readonly { readonly target: string }[]): boolean {
  return path.startsWith("/run/") || mounts.some((mount) => path.startsWith(`${mount.target}/`));
}

function isInstalled(program: string): boolean {
  const candidates = program.includes("/") ? [program] : nodePath.split(":").map((folder) => join(folder, program));
  return candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
