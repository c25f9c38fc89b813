import { describe, expect, it } from "vitest";
import { type Mount, setupScript } from "../../../../src/lab/runtime/setup-script.ts";

const host = ["/", "/etc", "/etc/hosts", "/srv", "/var", "/var/lib"];

/** The script's lines about these mounts, on a host that has only the folders above. */
function lines(...mounts: (Partial<Mount> & Pick<Mount, "target">)[]): string[] {
  const script = setupScript(
    {
      hostName: "n1",
      workDirectory: "/w",
      mounts: mounts.map((mount) => ({ source: "/from", isDirectory: true, readOnly: false, ...mount })),
      hostNamespaces: [{ kind: "uts", identity: "uts:[1]" }],
      sysctls: new Map([["net.ipv4.conf.eth1/5.rp_filter", "0"]]),
    },
    (path) => {
      let folder = path.slice(0, path.lastIndexOf("/")) || "/";
      while (!host.includes(folder)) folder = folder.slice(0, folder.lastIndexOf("/")) || "/";
      return { folder, exists: host.includes(path) };
    },
  );
  return script.split("\n");
}

const indexOf = (all: readonly string[], part: string) => all.findIndex((line) => line.includes(part));

describe("the set-up of a node", () => {
  it("ends before it changes anything if it shares a namespace with the machine", () => {
    const all = lines();
    const guard = indexOf(all, `[ "$(readlink /proc/self/ns/uts)" != 'uts:[1]' ] || {`);
    expect(all[guard]).toContain("exit 1");
    expect(indexOf(all, "/proc/sys/kernel/hostname")).toBeGreaterThan(guard);
    expect(indexOf(all, "mount")).toBeGreaterThan(guard);
  });

  it("binds over what the host has, without a layer", () => {
    const all = lines({ target: "/etc/hosts", isDirectory: false });
    expect(all).toContain("mount -n --bind '/from' '/etc/hosts'");
    expect(all.join("\n")).not.toContain("overlay");
  });

  it("puts one layer over a folder that lacks mount points, however many", () => {
    const all = lines({ target: "/etc/calibird/a" }, { target: "/etc/calibird/b" });
    expect(all.filter((line) => line.includes("overlay"))).toEqual([
      "mount -n -t overlay -o 'lowerdir=/etc,upperdir=/w/lab/layers/0/upper,workdir=/w/lab/layers/0/work' overlay '/etc'",
    ]);
  });

  it("makes outer mounts before inner ones, whatever the order of the file", () => {
    const all = lines({ target: "/srv/a/b/c", source: "/inner" }, { target: "/srv/a", source: "/outer" });
    expect(indexOf(all, "'/outer'")).toBeGreaterThan(0);
    expect(indexOf(all, "'/inner'")).toBeGreaterThan(indexOf(all, "'/outer'"));
  });

  it("puts together what lies below /run before that becomes the node's /run", () => {
    const all = lines({ target: "/run/calibird" });
    expect(indexOf(all, "'/w/calibird'")).toBeGreaterThan(0);
    expect(indexOf(all, "--move")).toBeGreaterThan(indexOf(all, "--bind '/from' '/w/calibird'"));
  });

  it("makes a read-only bind read-only after it is there", () => {
    const all = lines({ target: "/srv/a", readOnly: true });
    expect(indexOf(all, "remount,bind,ro")).toBe(indexOf(all, "--bind") + 1);
  });

  it("takes no quote or space in a path for shell syntax", () => {
    expect(lines({ target: "/srv/it's; a $(trap)" })).toContain(`mount -n --bind '/from' '/srv/it'\\''s; a $(trap)'`);
  });

  it("writes a sysctl whose device name holds a dot", () => {
    expect(lines()).toContain("echo '0' > '/proc/sys/net/ipv4/conf/eth1.5/rp_filter'");
  });
});
