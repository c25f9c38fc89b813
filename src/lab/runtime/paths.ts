import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";

/** Where all labs of the machine keep their state and their nodes' directories. */
const labsDirectory = "/run/calibird-lab";

/** The folder below a node's /run that the lab itself uses. */
export const nodeLabDirectory = "/run/lab";

/** Where processes of a node look for programs: this installation's commands first. */
export const nodePath = `${nodeLabDirectory}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

/** The files of one lab on the host. */
export interface LabPaths {
  readonly root: string;
  readonly stateFile: string;
  /** Wrappers of `calibird` and `calictl`, seen by nodes at /run/lab/bin. */
  readonly bin: string;
  /** What containerlab calls the lab directory: `__clabDir__` in binds. */
  readonly files: string;
}

/** The files of one node on the host. */
export interface NodePaths {
  readonly root: string;
  /** Seen by the node at /run/calibird, so that `calictl --run-dir` works from the host as well. */
  readonly run: string;
  /** Seen by the node at /var/lib/calibird. */
  readonly state: string;
  /** Output of the main process. */
  readonly log: string;
  /** Output of the set-up of the node's namespaces. */
  readonly setupLog: string;
  /** Process id of the main process as the node counts. */
  readonly mainPid: string;
  /** Exit status of the main process, once it has ended. */
  readonly mainExit: string;
  /** Where the node's /run is put together; empty on the host. */
  readonly mount: string;
}

/** The directory of all labs, made by the first of them. */
export function labsRoot(): string {
  return labsDirectory;
}

export function labPaths(lab: string): LabPaths {
  const root = join(labsDirectory, lab);
  return { root, stateFile: join(root, "state.json"), bin: join(root, "bin"), files: join(root, "files") };
}

export function nodePaths(lab: string, node: string): NodePaths {
  const root = join(labsDirectory, lab, "nodes", node);
  return {
    root,
    run: join(root, "run"),
    state: join(root, "state"),
    log: join(root, "main.log"),
    setupLog: join(root, "setup.log"),
    mainPid: join(root, "main.pid"),
    mainExit: join(root, "main.exit"),
    mount: join(root, "mount"),
  };
}

/** The name of a node's network namespace for `ip netns exec`. */
export function namespaceName(lab: string, node: string): string {
  return `clab-${lab}-${node}`;
}

/** The file of a named network namespace, where iproute2 looks for it. */
export function namespacePath(name: string): string {
  return join("/run/netns", name);
}

/** What to type to remove a lab, also where `calibird` is on nobody's PATH. */
export function downCommand({ file, name }: { readonly file: string; readonly name: string }): string {
  const program = relative(process.cwd(), join(installationRoot(), "dist/bin/calibird.js"));
  return `node ${program} lab down ${file} --name ${name}`;
}

/** The folder of this installation: the nearest one above this file with our package.json. */
export function installationRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; folder !== dirname(folder); folder = dirname(folder)) {
    const description = join(folder, "package.json");
    if (existsSync(description) && readFileSync(description, "utf8").includes('"name": "calibird"')) return folder;
  }
  throw new LabError("LAB_UNSUPPORTED", `no package.json of calibird above ${start}; reinstall calibird`, { start });
}
