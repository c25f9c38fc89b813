import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { datastoreConnection } from "../../../../src/agent/config/datastore-settings.ts";
import { resolveConfig } from "../../../../src/agent/config/resolve.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function configFile(text: string): string {
  const path = join(folder, "calibird.yaml");
  writeFileSync(path, text);
  return path;
}

describe("resolveConfig", () => {
  it("takes flags before environment before file before defaults", async () => {
    const path = configFile("nodeName: from-file\nrouteMetric: 512\nlistenPort: 1790\n");
    const config = await resolveConfig({
      flags: { nodeName: "from-flag" },
      environment: { NODENAME: "from-env", CALIBIRD_ROUTE_METRIC: "100" },
      configFile: path,
    });
    expect(config).toMatchObject({
      nodeName: "from-flag",
      routeMetric: 100,
      listenPort: 1790,
      runDir: "/run/calibird",
      logLevel: "info",
    });
  });

  it("honours Calico's environment names, and takes an empty one as not set", async () => {
    const config = await resolveConfig({
      flags: {},
      environment: { NODENAME: "", IP: "10.0.0.7/24", AS: "1.10", IP_AUTODETECTION_METHOD: "cidr=10.0.0.0/8" },
    });
    expect(config).toMatchObject({ nodeName: undefined, ip: "10.0.0.7/24", asNumber: 65546 });
    expect(config.ipAutodetectionMethod).toBe("cidr=10.0.0.0/8");
  });

  it("honours Calico's names of VXLAN's settings, after our own", async () => {
    const environment = { FELIX_VXLANVNI: "1", FELIX_VXLANPORT: "8472", CALIBIRD_VXLAN_PORT: "8473" };
    const config = await resolveConfig({ flags: { vxlanDevice: "flannel.1" }, environment });
    expect(config).toMatchObject({ vxlanDevice: "flannel.1", vxlanVni: 1, vxlanPort: 8473 });
    expect(await resolveConfig({ flags: {}, environment: {} })).toMatchObject({
      vxlanDevice: "vxlan.calico",
      vxlanVni: 4096,
      vxlanPort: 4789,
    });
  });

  it("honours all names that Calico has for etcd's settings, those that begin with CALICO_ first", async () => {
    const plain = {
      DATASTORE_TYPE: "etcdv3",
      ETCD_ENDPOINTS: "https://a:2379,https://b:2379",
      ETCD_CA_CERT_FILE: "/ca.pem",
      ETCD_CERT: "certificate",
      ETCD_KEY: "key",
      ETCD_USERNAME: "user",
      ETCD_PASSWORD: "hush",
    };
    const config = await resolveConfig({ flags: {}, environment: plain });
    expect(datastoreConnection(config)).toMatchObject({
      kind: "etcd",
      members: { endpoints: ["https://a:2379", "https://b:2379"] },
      tls: { ca: { file: "/ca.pem" }, certificate: { pem: "certificate" }, key: { pem: "key" } },
      credentials: { username: "user" },
    });
    expect(JSON.stringify(config)).not.toContain("hush");
    const endpointsOf = async (environment: Record<string, string>) =>
      (await resolveConfig({ flags: {}, environment })).etcdEndpoints;
    const felix = { FELIX_ETCDENDPOINTS: "http://f" };
    expect(await endpointsOf(felix)).toEqual(["http://f:2379"]);
    expect(await endpointsOf({ ...felix, ETCD_ENDPOINTS: "http://e" })).toEqual(["http://e:2379"]);
    expect(await endpointsOf({ ...plain, CALICO_ETCD_ENDPOINTS: "https://c" })).toEqual(["https://c:2379"]);
    const domain = await resolveConfig({ flags: {}, environment: { ETCD_DISCOVERY_SRV: "example.com" } });
    expect(datastoreConnection(domain)).toEqual({ kind: "etcd", members: { discoverySrv: "example.com" } });
  });

  it("keeps the data on this machine unless etcd is named", async () => {
    const config = await resolveConfig({ flags: { embeddedPath: "/store" }, environment: {} });
    expect(datastoreConnection(config)).toEqual({ kind: "embedded", path: "/store" });
  });

  it("honours Calico's names of IPv6's settings", async () => {
    const environment = { IP6: "autodetect", IP6_AUTODETECTION_METHOD: "cidr=2001:db8::/32" };
    expect(await resolveConfig({ flags: {}, environment })).toMatchObject({
      ip6: "autodetect",
      ip6AutodetectionMethod: "cidr=2001:db8::/32",
    });
    const explicit = await resolveConfig({ flags: { ip6: "2001:db8::1/64" }, environment });
    expect(explicit.ip6).toBe("2001:db8::1/64");
    expect((await resolveConfig({ flags: {}, environment: {} })).ip6).toBeUndefined();
  });

  it.each([
    [{ ip: "10.0.0.300" }, 'flag --ip: "10.0.0.300" must be an IPv4 address such as 10.0.0.1/24'],
    [{ ip: "fd00::1" }, "must be an IPv4 address"],
    [{ asNumber: "0" }, 'flag --as: "0" must be an AS number from 1 to 4294967295'],
    [{ asNumber: "23456" }, "other than 23456"],
    [{ listenPort: "70000" }, "must be a TCP port from 1 to 65535"],
    [{ vxlanPort: "0" }, "must be a UDP port from 1 to 65535"],
    [{ vxlanVni: "16777216" }, "must be a VXLAN network identifier from 1 to 16777215"],
    [{ vxlanDevice: "a-name-too-long-for-linux" }, "is no device name"],
    [{ vxlanDevice: "vx", vxlanDeviceV6: "vx" }, 'vxlanDeviceV6: "vx" is vxlanDevice already'],
    [{ udpEncapDevice: "vxlan.calico" }, "give each device its own name"],
    [{ vxlanDeviceV6: "tunl0" }, "is another device's name"],
    [{ vxlanChecksumOffload: "never" }, "must be one of auto, on, off"],
    [{ ip6: "10.0.0.1" }, 'flag --ip6: "10.0.0.1" must be an IPv6 address such as 2001:db8::1/64'],
    [{ vxlanDevice: "tunl0" }, "is another device's name"],
    [{ nodeName: "Worker_0" }, "must be lower-case letters"],
    [{ logLevel: "loud" }, "must be one of trace, debug"],
    [{ runDir: "run" }, "must be an absolute path"],
    [{ datastore: "kubernetes" }, "is not built into this version; it has etcd and embedded"],
    [{ datastore: "redis" }, 'flag --datastore: "redis" must be etcd or embedded'],
    [{ datastore: "etcd" }, "etcdEndpoints is missing"],
    [{ etcdEndpoints: "10.0.0.1:2379" }, "is no etcd endpoint; write http://HOST:PORT"],
    [{ etcdEndpoints: "http://a", etcdUsername: "u" }, "etcdPassword is missing; user u needs one"],
    [{ etcdCACertFile: "ca.pem" }, "must be an absolute path"],
    [{ routeMetric: "none" }, "must be auto, or a route metric from 0 to 2147483647"],
    [{ routeMetric: "2147483648" }, "must be auto"],
    [{ routeProtocol: "2" }, "must be a route protocol from 5 to 255"],
    [{ routeProtocol: "boot" }, "must be a route protocol from 5 to 255"],
    [{ routeProtocol: "16" }, "the host's own"],
    [{ routeProtocol: "256" }, "must be a route protocol from 5 to 255"],
    [{ takeoverProtocols: "12,kernel" }, "must be route protocols from 3 to 255"],
    [{ takeoverProtocols: "" }, "must be route protocols from 3 to 255"],
    [{ ipAutodetectionMethod: "interface=" }, "must be first-found"],
  ])("refuses %j and says what would be right", async (flags, message) => {
    await expect(resolveConfig({ flags, environment: {} })).rejects.toThrow(message);
  });

  it("reads metric and protocols of routes, by number or name, and has defaults that are our own", async () => {
    const defaults = await resolveConfig({ flags: {}, environment: {} });
    expect(defaults).toMatchObject({ routeMetric: "auto", routeProtocol: 202, takeoverProtocols: undefined });
    const flags = { routeMetric: "0", routeProtocol: "bird", takeoverProtocols: "12, felix,boot" };
    const config = await resolveConfig({ flags, environment: {} });
    expect(config).toMatchObject({ routeMetric: 0, routeProtocol: 12, takeoverProtocols: [12, 80, 3] });
    expect((await resolveConfig({ flags: { routeProtocol: "80" }, environment: {} })).routeProtocol).toBe(80);
  });

  it("names the file and the nearest setting for an unknown key", async () => {
    const path = configFile("nodename: n1\n");
    await expect(resolveConfig({ flags: {}, environment: {}, configFile: path })).rejects.toThrow(
      `${path}: there is no setting "nodename"; did you mean "nodeName"?`,
    );
  });

  it("names the environment variable that holds a wrong value", async () => {
    await expect(resolveConfig({ flags: {}, environment: { AS: "x" } })).rejects.toThrow("environment variable AS");
  });

  it("fails on an explicit file that is not there, or is no YAML", async () => {
    const missing = join(folder, "missing.yaml");
    await expect(resolveConfig({ flags: {}, environment: {}, configFile: missing })).rejects.toThrow(missing);
    const broken = configFile("a: [1\n");
    await expect(resolveConfig({ flags: {}, environment: {}, configFile: broken })).rejects.toThrow("is not YAML");
    const deep = configFile("[".repeat(20_000));
    await expect(resolveConfig({ flags: {}, environment: {}, configFile: deep })).rejects.toThrow("nested more than");
  });
});
