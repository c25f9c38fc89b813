import { describe, expect, it } from "vitest";
import { drainRoutes } from "../../../../src/agent/api/drain-routes.ts";

function call(method: string, body: unknown): { answer: unknown; calls: string[] } {
  const calls: string[] = [];
  const routes = drainRoutes({
    drain: (message) => calls.push(`drain "${message}"`),
    undrain: () => calls.push("undrain"),
  });
  const route = routes.find((candidate) => candidate.method === method);
  return { answer: route?.handle({ method, params: {}, query: new URLSearchParams(), body }), calls };
}

describe("/v1/node/drain", () => {
  it("drains with the operator's words, or none, and ends it", () => {
    expect(call("POST", { message: "new disks" })).toEqual({ answer: { drained: true }, calls: ['drain "new disks"'] });
    expect(call("POST", undefined).calls).toEqual(['drain ""']);
    expect(call("DELETE", undefined)).toEqual({ answer: { drained: false }, calls: ["undrain"] });
  });

  it.each([{ message: 5 }, { message: "é".repeat(128) }])("refuses what no NOTIFICATION can carry: %j", (body) => {
    expect(() => call("POST", body)).toThrow("message must be a text of at most 255 octets");
  });
});
