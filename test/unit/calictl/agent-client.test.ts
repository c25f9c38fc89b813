import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentClient } from "../../../src/calictl/agent-client.ts";

let folder: string;
let server: Server;
let serve: (response: ServerResponse) => void;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-client-"));
  server = createServer((_request, response) => serve(response));
  await new Promise<void>((resolve) => server.listen(join(folder, "status.sock"), resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

const client = () => new AgentClient({ runDir: folder, waitMs: 0 });

describe("AgentClient", () => {
  it("gives the events of a stream, and says what has happened when the agent ends it", async () => {
    const text = Buffer.from('event: route\ndata: {"reason":"ü"}\n\n');
    const cut = text.indexOf(0xc3) + 1;
    serve = (response) => {
      response.write(text.subarray(0, cut));
      setImmediate(() => response.write(text.subarray(cut)));
    };
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const event of client().events("/v1/events")) {
        seen.push(event);
        server.closeAllConnections();
      }
    })();
    await expect(reading).rejects.toMatchObject({
      code: "AGENT_UNREACHABLE",
      message: expect.stringContaining("the agent ended the stream /v1/events"),
    });
    expect(seen).toEqual([{ event: "route", data: { reason: "ü" } }]);
  });

  it("says once what it waits for, and goes on when the agent is there", async () => {
    const socketPath = join(folder, "agent.sock");
    const late = createServer((_request, response) => response.end("[]"));
    const told: string[] = [];
    const waiting = new AgentClient({
      runDir: folder,
      waitMs: 60_000,
      onWaiting(path) {
        told.push(path);
        late.listen(socketPath);
      },
    });
    try {
      expect(await waiting.admin("GET", "/v1/pods")).toEqual([]);
      expect(told).toEqual([socketPath]);
    } finally {
      late.closeAllConnections();
      await new Promise((resolve) => late.close(resolve));
    }
  });
});
