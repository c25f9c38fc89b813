import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { settings } from "../../../../src/agent/config/settings.ts";

describe("docs/configuration.md", () => {
  const text = readFileSync(new URL("../../../../docs/configuration.md", import.meta.url), "utf8");

  it.each(settings.map((setting) => [setting.key, setting] as const))("has the row of %s", (_key, setting) => {
    const variables = setting.environment.map((name) => `\`${name}\``).join(", ");
    const fallback = setting.defaultValue === undefined ? "" : `\`${setting.defaultValue}\``;
    const flag = setting.flag === undefined ? "" : `\`--${setting.flag} ${setting.placeholder}\``;
    expect(text).toContain(`| ${flag} | \`${setting.key}\` | ${variables} | ${fallback} | ${setting.help} |`);
  });

  it("has no row that is no setting", () => {
    expect(text.match(/^\| (`--.*`)? \| `\w+` \|/gm)).toHaveLength(settings.length);
  });
});
