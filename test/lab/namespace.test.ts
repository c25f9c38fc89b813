import { execFileSync } from "node:child_process";
import { mkdtempSync, readlinkSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  createNamespace,
  deleteNamespace,
  listNamespaces,
  openNamespace,
  withNamespaceSync,
} from "../../src/netlink/namespace.ts";
import { readSysctl, writeSysctl } from "../../src/netlink/sysctl.ts";
import { SyscallError } from "../../src/sys/libc.ts";
import { ip, NetlinkFixture, succeed } from "./netlink-fixture.ts";

const fixture = new NetlinkFixture();
afterEach(() => fixture.dispose());

const own = (): string => readlinkSync("/proc/thread-self/ns/net");
const codeOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
  return undefined;
};

describe("named namespaces", () => {
  test("are what `ip netns` sees, empty but for lo, and the thread stays where it was", () => {
    const home = own();
    const { name, path } = fixture.namespace();
    expect(own()).toBe(home);
    expect(path).toBe(`/run/netns/${name}`);
    expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).toContain(name);
    expect(listNamespaces()).toContain(name);
    expect(JSON.parse(execFileSync("ip", ["-json", "-n", name, "link"], { encoding: "utf8" }))).toHaveLength(1);
  });

  test("cannot be made twice, nor under a name that is no file name", () => {
    const { name, path } = fixture.namespace();
    expect(codeOf(() => createNamespace(name))).toBe("NAMESPACE_EXISTS");
    expect(() => createNamespace(name)).toThrow(path);
    for (const bad of ["", ".", "..", "a/b", "a\0b"])
      expect(codeOf(() => createNamespace(bad))).toBe("INVALID_NAMESPACE_NAME");
  });

  test("are gone when deleted, but live on for those who hold them open", async () => {
    const { name, path } = fixture.namespace();
    const peer = fixture.namespace();
    const held = openNamespace(path);
    deleteNamespace(name);
    expect(listNamespaces()).not.toContain(name);
    expect(codeOf(() => deleteNamespace(name))).toBe("NAMESPACE_NOT_FOUND");
    expect(codeOf(() => openNamespace(path))).toBe("NAMESPACE_NOT_FOUND");

    const netlink = await fixture.open(peer.path);
    await succeed(netlink, { op: "link-add", link: { kind: "veth", name: "a", peer: { name: "b", namespace: held } } });
    const inside = await fixture.open(`/proc/self/fd/${held.fd}`);
    expect((await inside.links()).map(({ name: device }) => device)).toEqual(["lo", "b"]);
    held.close();
  });

  test("may live in another directory, which is left without a mount", () => {
    const directory = mkdtempSync(join(tmpdir(), "calibird-netns-"));
    expect(listNamespaces({ directory: join(directory, "missing") })).toEqual([]);
    const path = createNamespace("first", { directory });
    createNamespace("second", { directory });
    writeFileSync(join(directory, "note"), "no namespace");
    expect(path).toBe(join(directory, "first"));
    expect(listNamespaces({ directory })).toEqual(["first", "second"]);
    expect(withNamespaceSync(path, own)).not.toBe(own());
    for (const name of ["first", "second", "note"]) deleteNamespace(name, { directory });
    rmdirSync(directory);
  });
});

describe("withNamespaceSync", () => {
  test("runs inside, returns the result and comes back", () => {
    const home = own();
    const { path } = fixture.namespace();
    expect(withNamespaceSync(path, own)).not.toBe(home);
    expect(own()).toBe(home);
  });

  test("comes back also when the function throws, and nests", () => {
    const home = own();
    const [outer, inner] = [fixture.namespace(), fixture.namespace()];
    const seen: string[] = [];
    const attempt = () =>
      withNamespaceSync(outer.path, () => {
        seen.push(own());
        withNamespaceSync(inner.path, () => seen.push(own()));
        seen.push(own());
        throw new RangeError("on purpose");
      });
    expect(attempt).toThrow("on purpose");
    expect(own()).toBe(home);
    expect(seen[0]).toBe(seen[2]);
    expect(new Set([home, ...seen]).size).toBe(3);
  });

  test("refuses what is no namespace, with the system call's error as the cause", () => {
    const home = own();
    expect(codeOf(() => withNamespaceSync("/run/netns/calibird-no-such", own))).toBe("NAMESPACE_NOT_FOUND");
    expect(() => withNamespaceSync("/proc/version", own)).toThrow(
      expect.objectContaining({ code: "NAMESPACE_FAILED", cause: expect.any(SyscallError) }),
    );
    expect(own()).toBe(home);
  });

  test("leaves no descriptor open", () => {
    const { path } = fixture.namespace();
    for (let round = 0; round < 20; round++) withNamespaceSync(path, own);
    const listed = execFileSync("ls", ["-l", `/proc/${process.pid}/fd`], { encoding: "utf8" });
    expect(listed.split("\n").filter((line) => line.includes("net:["))).toEqual([]);
  });
});

describe("sysctls", () => {
  test("are read and written in the namespace that is asked for, also of devices with dots", () => {
    const { name, path } = fixture.namespace();
    ip(name, "link", "add", "eth0.100", "type", "veth", "peer", "name", "b");
    const setting = ["net", "ipv4", "conf", "eth0.100", "proxy_arp"];
    const options = { namespace: { path } };
    expect(readSysctl(setting, options)).toBe("0");
    writeSysctl(setting, "1", options);
    expect(readSysctl(setting, options)).toBe("1");
    const shown = execFileSync("nsenter", [`--net=${path}`, "cat", `/proc/sys/${setting.join("/")}`], {
      encoding: "utf8",
    });
    expect(shown).toBe("1\n");
    expect(codeOf(() => readSysctl(setting))).toBe("SYSCTL_NOT_FOUND");
    expect(codeOf(() => writeSysctl(setting, "1"))).toBe("SYSCTL_NOT_FOUND");
  });

  test("say which file refused what", () => {
    const { path } = fixture.namespace();
    const options = { namespace: { path } };
    const setting = ["net", "ipv4", "conf", "lo", "proxy_arp"];
    expect(codeOf(() => writeSysctl(setting, "neither", options))).toBe("SYSCTL_REFUSED");
    expect(() => writeSysctl(setting, "neither", options)).toThrow("/proc/sys/net/ipv4/conf/lo/proxy_arp");
    expect(readSysctl(setting, options)).toBe("0");
  });

  test("are named by parts that cannot lead elsewhere", () => {
    for (const bad of ["..", ".", "", "a/b"])
      expect(codeOf(() => readSysctl(["net", bad, "hostname"]))).toBe("INVALID_SYSCTL_NAME");
    expect(readSysctl(["kernel", "ostype"])).toBe("Linux");
  });
});
