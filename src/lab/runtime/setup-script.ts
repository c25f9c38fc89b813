import { dirname } from "node:path";
import { nodeLabDirectory } from "./paths.ts";

/** A path of the host that the node shall see, with everything resolved. */
export interface Mount {
  /** Absolute path on the host. */
  readonly source: string;
  readonly isDirectory: boolean;
  /** Absolute path in the node, its symbolic links resolved. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** What a node's namespaces are set up with. */
export interface NodeSetup {
  readonly hostName: string;
  /** Empty folder on the host where the node's /run is put together. */
  readonly workDirectory: string;
  readonly mounts: readonly Mount[];
  readonly sysctls: ReadonlyMap<string, string>;
  /** The namespaces that the node must not share with the machine: `uts` and `uts:[4026531838]`. */
  readonly hostNamespaces: readonly { readonly kind: string; readonly identity: string }[];
}

/** The nearest folder above a path that exists on the host; "/" always does. */
export type ExistingFolder = (path: string) => { readonly folder: string; readonly exists: boolean };

/**
 * The shell script that turns fresh namespaces into a node and then stays as its first process. It says "ready" on file
 * descriptor 3 when the node can be used.
 *
 * The node sees the host's file system, except for /proc, /sys, /run, its mounts, and a copy-on-write layer over each folder
 * in which a mount point has to be made: nothing of that is written to the host.
 */
export function setupScript(setup: NodeSetup, existing: ExistingFolder): string {
  const work = setup.workDirectory;
  const lines = [
    "set -e",
    // What follows would change the machine itself if a namespace were missing.
    ...setup.hostNamespaces.map(
      ({ kind, identity }) =>
        `[ "$(readlink /proc/self/ns/${kind})" != ${quote(identity)} ] || { echo "no ${kind} namespace of its own"; exit 1; }`,
    ),
    `echo ${quote(setup.hostName)} > /proc/sys/kernel/hostname`,
    "mount -n -t proc proc /proc",
    "mount -n -t sysfs sysfs /sys",
    // Other nodes' namespaces must not live on in this node's copy of the mount table.
    "umount -n -R -l /run/netns 2>/dev/null || true",
    // -n: libmount's own table is below /run, which is not where it was.
    // /run is put together aside, because some sources lie below the host's own /run.
    `mount -n -t tmpfs -o mode=755 tmpfs ${quote(work)}`,
    `mkdir -p ${quote(`${work}/lock`)} ${quote(`${work}/netns`)}`,
    ...mountLines(setup.mounts, work, existing),
    `mount -n --move ${quote(work)} /run`,
    ...[...setup.sysctls].map(([name, value]) => `echo ${quote(value)} > ${quote(sysctlPath(name))}`),
    "cd /",
    "echo ready >&3",
    "exec 3>&-",
    // The first process of a process namespace inherits orphans: `wait` also collects those.
    "while :; do sleep 2147483647 & wait $! || true; done",
  ];
  return lines.join("\n");
}

function mountLines(mounts: readonly Mount[], work: string, existing: ExistingFolder): string[] {
  const layered: string[] = [];
  const done: string[] = [];
  const isBelow = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
  return [...mounts]
    .sort((one, other) => one.target.split("/").length - other.target.split("/").length)
    .flatMap((mount) => {
      const lines: string[] = [];
      const inRun = isBelow(mount.target, "/run");
      const place = inRun ? `${work}${mount.target.slice("/run".length)}` : mount.target;
      const { folder, exists } = existing(mount.target);
      const covered = inRun || [...done, ...layered].some((path) => isBelow(mount.target, path));
      if (!exists && !covered) {
        lines.push(...layerLines(folder, `${work}/lab/layers/${layered.length}`));
        layered.push(folder);
      }
      if (!exists || covered)
        lines.push(
          mount.isDirectory
            ? `mkdir -p ${quote(place)}`
            : `mkdir -p ${quote(dirname(place))}\n[ -e ${quote(place)} ] || : > ${quote(place)}`,
        );
      lines.push(`mount -n --bind ${quote(mount.source)} ${quote(place)}`);
      if (mount.readOnly) lines.push(`mount -n -o remount,bind,ro ${quote(place)}`);
      done.push(mount.target);
      return lines;
    });
}

/** Makes a folder writable without touching it: an overlay whose upper layer is in the node's memory. */
function layerLines(folder: string, layer: string): string[] {
  const option = (path: string) => path.replaceAll(/[\\,:]/g, "\\$&");
  const options = `lowerdir=${option(folder)},upperdir=${option(`${layer}/upper`)},workdir=${option(`${layer}/work`)}`;
  return [
    `mkdir -p ${quote(`${layer}/upper`)} ${quote(`${layer}/work`)}`,
    `mount -n -t overlay -o ${quote(options)} overlay ${quote(folder)}`,
  ];
}

/** `net.ipv4.conf.eth1/5.rp_filter` follows sysctl(8): dots separate, and a slash stands for a dot in a name. */
function sysctlPath(name: string): string {
  const swapped =
    name.includes("/") && !name.includes(".")
      ? name
      : name.replaceAll(/[./]/g, (character) => (character === "." ? "/" : "."));
  return `/proc/sys/${swapped}`;
}

/** The text as one word of a shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * The shell script that runs a main process, whose words are the script's arguments, and outlives it only to write down how
 * it ended. File descriptor 3 takes the process id as the node counts, 4 the exit status.
 */
export const mainScript = [
  // A foreground child keeps the default signal actions, which a background one would not (POSIX shell, 2.11).
  `sh -c 'printf %s $$ >&3; exec "$@" 3>&- 4>&-' sh "$@"`,
  "printf %s $? >&4",
].join("\n");

/** Folders that a node has for itself. */
export const ownFolders = { run: "/run/calibird", state: "/var/lib/calibird", bin: `${nodeLabDirectory}/bin` } as const;
