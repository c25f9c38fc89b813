import { expect, it } from "vitest";
import { parseIpipBackend } from "../../../../src/agent/config/ipip-settings.ts";

it.each(["auto", "kernel", "userspace"] as const)("takes %s for who carries IPIP packets", (choice) => {
  expect(parseIpipBackend(choice)).toBe(choice);
  expect(parseIpipBackend(choice.toUpperCase())).toBe(choice);
});

it.each(["", "user", "kernel "])("refuses %j and says what would be right", (text) => {
  expect(() => parseIpipBackend(text)).toThrow("must be one of auto, kernel, userspace");
});
