import { describe, expect, it } from "vitest";
import { discoverEndpoints, type ServiceResolver } from "../../../../src/datastore/etcd/discovery.ts";

type Records = Awaited<ReturnType<ServiceResolver["resolveSrv"]>>;

function resolver(zone: Readonly<Record<string, Records>>): ServiceResolver {
  return {
    resolveSrv: async (name) => {
      const records = zone[name];
      if (records === undefined) throw new Error(`querySrv ENOTFOUND ${name}`);
      return records;
    },
  };
}

describe("discoverEndpoints", () => {
  it("asks for members with TLS first, and takes them in the order of their priority", async () => {
    const zone = {
      "_etcd-client-ssl._tcp.example.com": [
        { name: "two.example.com.", port: 2379, priority: 10 },
        { name: "one.example.com", port: 2380, priority: 1 },
      ],
      "_etcd-client._tcp.example.com": [{ name: "plain.example.com", port: 2379, priority: 0 }],
    };
    expect(await discoverEndpoints("example.com.", resolver(zone))).toEqual([
      "https://one.example.com:2380",
      "https://two.example.com:2379",
    ]);
  });

  it("takes members without TLS if there are no others", async () => {
    const zone = {
      "_etcd-client-ssl._tcp.example.com": [],
      "_etcd-client._tcp.example.com": [{ name: "plain.example.com", port: 2379, priority: 0 }],
    };
    expect(await discoverEndpoints("example.com", resolver(zone))).toEqual(["http://plain.example.com:2379"]);
  });

  it("says whom it has asked if the DNS knows none", async () => {
    await expect(discoverEndpoints("example.com", resolver({}))).rejects.toMatchObject({
      code: "DATASTORE_UNAVAILABLE",
      message: expect.stringMatching(
        /no etcd for example.com: .*_etcd-client-ssl._tcp.example.com; .*_etcd-client._tcp/,
      ),
    });
  });
});
