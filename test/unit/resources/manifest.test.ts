import { describe, expect, test } from "vitest";
import { ResourceError } from "../../../src/resources/errors.ts";
import { parseManifest } from "../../../src/resources/manifest.ts";

const parse = (text: string) => parseManifest(text, { file: "pools.yaml", defaultNamespace: "default" });

async function messageOf(text: string): Promise<string> {
  try {
    await parse(text);
  } catch (error) {
    if (error instanceof ResourceError && error.code === "INVALID_MANIFEST") return error.message;
    throw error;
  }
  return "";
}

/** Nine to the power of nine items when written out. */
const aliasBomb = [..."abcdefghij"]
  .map((name, index, names) => `${name}: &${name} [${Array(9).fill(index === 0 ? "x" : `*${names[index - 1]}`)}]`)
  .join("\n");

const pool = (name: string, cidr: string) =>
  `{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"${name}"},"spec":{"cidr":"${cidr}"}}`;

describe("parseManifest", () => {
  test("reads several documents, lists, sequences and JSON in their order, with the line of each", async () => {
    const entries = await parse(`---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: a}
spec:
  asNumber: "1.10"
---
# nothing here
---
apiVersion: projectcalico.org/v3
kind: IPPoolList
items:
- ${pool("b", "10.0.0.0/16")}
- ${pool("c", "10.1.0.0/16")}
---
- apiVersion: v1
  kind: List
  items: [${pool("d", "10.2.0.0/16")}]
---
${pool("e", "10.3.0.0/16")}
`);
    expect(entries.map(({ resource, document, line }) => [resource.metadata.name, document, line])).toEqual([
      ["a", 1, 2],
      ["b", 3, 13],
      ["c", 3, 14],
      ["d", 4, 18],
      ["e", 5, 20],
    ]);
    expect(entries[0]?.resource.spec).toEqual({ asNumber: 65546 });
  });

  test("keeps every digit of numbers that no double holds, where any value may stand", async () => {
    const [yaml, json] = await parse(`
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: a}
status: {newer: 1767323045678901234, small: 12, hex: 0x10, list: [-9223372036854775808, 1.5]}
---
{"apiVersion":"projectcalico.org/v3","kind":"Node","metadata":{"name":"b"},"status":{"newer":12345678901234567890}}
`);
    expect(yaml?.resource.status).toEqual({
      newer: 1767323045678901234n,
      small: 12,
      hex: 16,
      list: [-9223372036854775808n, 1.5],
    });
    expect(json?.resource.status).toEqual({ newer: 12345678901234567890n });
  });

  test("names file, document, line, field and what would be right of every mistake in every document", async () => {
    const message = await messageOf(`apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: a
spec:
  cidr: 10.244.0.0/16
  blocksize: 26
  natOutgoing: "true"
---
apiVersion: projectcalico.org/v3
kind: IPPol
---
apiVersion: projectcalico.org/v1
kind: BGPPeer
metadata: {name: a}
spec:
  filters:
    - fine
    - Not/fine
`);
    expect(message.split("\n")).toEqual([
      "pools.yaml: document 1, line 7: error with field IPPool.spec.blocksize = '26' (is not a field here; did you mean \"blockSize\"?)",
      "pools.yaml: document 1, line 8: error with field IPPool.spec.natOutgoing = 'true' (must be true or false)",
      expect.stringContaining("pools.yaml: document 2, line 11: error with field IPPol.kind = 'IPPol' (must be one of"),
      expect.stringContaining("pools.yaml: document 3, line 13: error with field BGPPeer.apiVersion"),
      expect.stringContaining("pools.yaml: document 3, line 19: error with field BGPPeer.spec.filters[1] = 'Not/fine'"),
    ]);
    expect(message).toContain('did you mean "IPPool"?');
  });

  test("gives nothing of a file of which one document is bad", async () => {
    await expect(parse(`${pool("a", "10.0.0.0/16")}\n---\n${pool("b", "10.0.0.1/16")}`)).rejects.toThrow("document 2");
  });

  test.each([
    ["an empty file", "", "line 1: there is no resource in it"],
    ["a comment", "# only a comment", "there is no resource in it"],
    ["an empty list", "kind: List\nitems: []", "there is no resource in it"],
    ["a bracket that is left open", "a: [", "document 1, line 1"],
    ["a key twice", "a: 1\na: 2", "document 1, line 2: Map keys must be unique"],
    ["an alias to what contains it", "&a [*a]", "document 1, line 1"],
    ["an alias to nothing", "*nowhere", "document 1, line 1"],
    ["a mere text", "text", "must be an object"],
    ["deep brackets", "[".repeat(10_000), "nested more than 100 levels deep"],
    ["deep sequences", "- ".repeat(10_000), "nested more than 100 levels deep"],
    ["deep maps", "[{a: ".repeat(10_000), "nested more than 100 levels deep"],
    ["fairly deep brackets", `a: ${"[".repeat(99)}${"]".repeat(99)}`, "must be projectcalico.org/v3"],
    ["aliases that multiply", aliasBomb, "document 1"],
  ])("refuses %s without falling over", async (_what, text, message) => {
    expect(await messageOf(text)).toContain(message);
  });

  test("puts objects of namespaced kinds into the default namespace unless they name one", async () => {
    const endpoint = (metadata: string) => `
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n-k8s-p-eth0${metadata}}
spec: {node: n, orchestrator: k8s, pod: p, endpoint: eth0}
`;
    const [first] = await parse(endpoint(""));
    const [second] = await parse(endpoint(", namespace: shop"));
    expect([first?.resource.metadata.namespace, second?.resource.metadata.namespace]).toEqual(["default", "shop"]);
  });
});
