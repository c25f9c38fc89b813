import { inspect } from "node:util";
import { expect, test } from "vitest";
import { Secret } from "../../../src/core/secret.ts";

test("a secret shows itself to nobody who has not asked for it by name", () => {
  const config = { peer: "tor", key: { kind: "md5", password: new Secret("hunter2") } };
  const shown = [
    JSON.stringify(config),
    inspect(config, { depth: 9, showHidden: true }),
    `${config.key.password}`,
    String(new Error(`key ${config.key.password} refused`)),
    JSON.stringify(structuredClone({ ...config, key: { ...config.key, password: config.key.password.toJSON() } })),
  ];
  for (const text of shown) expect(text).not.toContain("hunter2");
  expect(JSON.stringify(config)).toContain("[secret]");
  expect(config.key.password.reveal()).toBe("hunter2");
});

test("secrets are equal if their texts are", () => {
  expect(new Secret("one").equals(new Secret("one"))).toBe(true);
  expect(new Secret("one").equals(new Secret("two"))).toBe(false);
});
