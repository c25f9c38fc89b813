import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nearestName } from "../../src/core/nearest-name.ts";
import { parseAsNumber } from "../../src/resources/as-number.ts";
import { canonicalDuration, parseDuration } from "../../src/resources/duration.ts";
import { ResourceError } from "../../src/resources/errors.ts";
import { kinds, resourceKinds } from "../../src/resources/kinds.ts";
import { decodeResource, encodeResource, readResource, validateResource } from "../../src/resources/resource.ts";
import { possibleKeys, resourceKey } from "../../src/resources/resource-keys.ts";

describe("durations", () => {
  test("the canonical form means the same and is its own canonical form", () => {
    const part = fc.tuple(
      fc.nat(5000),
      fc.constantFrom("", ".5", ".25"),
      fc.constantFrom("h", "m", "s", "ms", "us", "ns"),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const text = parts.map(([whole, fraction, unit]) => `${whole}${fraction}${unit}`).join("");
        const canonical = canonicalDuration(text) ?? "";
        expect(parseDuration(canonical)).toBe(parseDuration(text));
        expect(canonicalDuration(canonical)).toBe(canonical);
      }),
    );
  });

  test.each([
    ["120s", "2m0s", 120_000],
    ["3600s", "1h0m0s", 3_600_000],
    ["1.5h", "1h30m0s", 5_400_000],
    ["90m30.5s", "1h30m30.5s", 5_430_500],
    ["250ms", "250ms", 250],
    ["1500us", "1.5ms", 1.5],
    ["1000ns", "1µs", 0.001],
    ["0", "0s", 0],
    ["-90s", "-1m30s", -90_000],
  ])("%s is stored as %s", (text, canonical, milliseconds) => {
    expect(canonicalDuration(text)).toBe(canonical);
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each(["", "1", "s", "1 s", "1d", "1h-1m", ".s", "9999999999h", "--1s"])("%j is none", (text) => {
    expect(canonicalDuration(text)).toBeUndefined();
  });
});

describe("AS numbers", () => {
  test("decimal and dotted texts are the number they spell", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (number) => {
        expect(parseAsNumber(number)).toBe(number);
        expect(parseAsNumber(String(number))).toBe(number);
        expect(parseAsNumber(`${number >>> 16}.${number & 0xffff}`)).toBe(number);
      }),
    );
  });

  test.each([-1, 1.5, 2 ** 32, "65536.1", "1.65536", "", "x", "1.", null, true])("%j is none", (value) => {
    expect(parseAsNumber(value)).toBeUndefined();
  });
});

describe("nearestName", () => {
  test("finds a name again after one edit", () => {
    const names = ["blockSize", "natOutgoing", "nodeSelector", "assignmentMode"];
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.nat(20), fc.constantFrom("x", ""), (name, position, inserted) => {
        const at = position % name.length;
        const edited =
          inserted === "" ? name.slice(0, at) + name.slice(at + 1) : name.slice(0, at) + inserted + name.slice(at);
        expect(nearestName(edited, names)).toBe(name);
      }),
    );
    expect(nearestName("cdir", ["cidr", "disabled"])).toBe("cidr");
    expect(nearestName("completelyElse", names)).toBeUndefined();
  });
});

describe("readResource", () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  const fieldName = fc.constantFrom(...new Set(resourceKinds.flatMap((kind) => Object.keys(kinds[kind].spec.fields))));
  const hostile = fc.record(
    {
      kind: fc.constantFrom(...resourceKinds),
      apiVersion: fc.constant("projectcalico.org/v3"),
      metadata: fc.oneof(fc.record({ name: fc.oneof(json, fc.constant("default")), labels: json }), json),
      spec: fc.oneof(fc.dictionary(fieldName, json), json),
      status: json,
    },
    { requiredKeys: ["kind", "apiVersion"] },
  );

  test("never throws on any JSON, and what it accepts is written and read back the same", () => {
    fc.assert(
      fc.property(fc.oneof(hostile, json), fc.constantFrom("report", "keep"), (value, unknownFields) => {
        const result = readResource(value, { unknownFields, rules: true });
        if (!("resource" in result)) {
          expect(result.problems.length).toBeGreaterThan(0);
          return;
        }
        const valid = validateResource(result.resource);
        const form = kinds[valid.kind].storedForm;
        if (form !== undefined && form.write === undefined) return;
        const { name, namespace } = valid.metadata;
        const again = decodeResource(resourceKey(valid.kind, name, namespace), encodeResource(valid), 1n);
        expect(encodeResource(validateResource(again))).toBe(encodeResource(valid));
      }),
      { numRuns: 1500 },
    );
  });
});

describe("decodeResource", () => {
  const stored = readFileSync(new URL("../vectors/stored-resources.txt", import.meta.url), "utf8").split("\n");
  const records = stored.flatMap((line, index) =>
    line.startsWith("/") ? [[line, stored[index + 1] ?? ""] as const] : [],
  );
  const piece = fc.constantFrom(
    "",
    "null",
    "{}",
    "[]",
    '""',
    "0",
    "-1",
    "true",
    "1767323045678901234",
    "[[",
    '{"a":1}',
    "\\u0000",
  );

  test("of a stored value that was damaged anywhere gives an object that can be written, or an error that names the key", () => {
    fc.assert(
      fc.property(fc.constantFrom(...records), fc.nat(), fc.nat(30), piece, ([key, value], at, length, put) => {
        const start = at % value.length;
        const damaged = value.slice(0, start) + put + value.slice(start + length);
        try {
          const resource = decodeResource(key, damaged, 1n);
          expect(possibleKeys(resource.kind, resource.metadata.name, resource.metadata.namespace)).toContain(key);
          encodeResource(validateResource(resource));
        } catch (error) {
          if (!(error instanceof ResourceError)) throw error;
          expect(["INVALID_STORED_VALUE", "INVALID_RESOURCE"]).toContain(error.code);
          if (error.code === "INVALID_STORED_VALUE") expect(error.message).toContain(key);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
