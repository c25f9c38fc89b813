import { describe, expect, test } from "vitest";
import { monitoringSettings } from "../../../../src/agent/config/monitoring-settings.ts";

function parse(flag: string, text: string): unknown {
  const setting = monitoringSettings.find((candidate) => candidate.flag === flag);
  if (setting === undefined) throw new Error(`there is no --${flag}`);
  return setting.parse(text);
}

describe("settings of monitoring", () => {
  test("name stations by address and port, IPv6 in brackets", () => {
    expect(JSON.parse(JSON.stringify(parse("bmp-stations", "192.0.2.1:11019, [2001:db8::1]:5000")))).toEqual([
      { address: "192.0.2.1", port: 11019 },
      { address: "2001:db8::1", port: 5000 },
    ]);
  });

  test.each(["192.0.2.1", "station:11019", "192.0.2.1:0", "192.0.2.1:65536", "2001:db8::1:11019", ""])(
    "refuse %j as a station and say what would be right",
    (text) => {
      expect(() => parse("bmp-stations", text)).toThrow("must be addresses with ports, such as 192.0.2.1:11019");
    },
  );

  test("take the three views and no other", () => {
    expect(parse("bmp-views", "loc-rib, adj-rib-out")).toEqual(["loc-rib", "adj-rib-out"]);
    expect(() => parse("bmp-views", "everything")).toThrow("must be a list of adj-rib-in, adj-rib-out, loc-rib");
  });
});
