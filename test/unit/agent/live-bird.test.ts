import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkNoLiveBird } from "../../../src/agent/live-bird.ts";

let folder: string;
let socket: string;
let bird: Server | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-bird-"));
  socket = join(folder, "bird.ctl");
});
afterEach(async () => {
  await new Promise<void>((resolve) => (bird === undefined ? resolve() : bird.close(() => resolve())));
  bird = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function startBird(): Promise<void> {
  const server = createServer((connection) => connection.resume());
  bird = server;
  await new Promise<void>((resolve) => server.listen(socket, resolve));
}

const own = { routeProtocol: 202, takeoverProtocols: undefined };

describe("checkNoLiveBird", () => {
  it.each([
    ["writing BIRD's routes", { ...own, routeProtocol: 12 }, "protocol 12 are"],
    ["writing Felix's routes", { ...own, routeProtocol: 80 }, "protocol 80 are"],
    ["taking both over", { ...own, takeoverProtocols: [3, 12, 80] }, "protocol 12 and 80 are"],
  ])("refuses %s while BIRD answers, and names the way out", async (_case, settings, text) => {
    await startBird();
    const check = checkNoLiveBird(settings, socket);
    await expect(check).rejects.toMatchObject({ code: "CALICO_IS_RUNNING" });
    await expect(check).rejects.toThrow(`BIRD answers on ${socket}: routes of ${text} Calico's`);
    await expect(check).rejects.toThrow("stop calico-node first");
  });

  it("allows numbers that are not Calico's beside a live BIRD", async () => {
    await startBird();
    await checkNoLiveBird(own, socket);
    await checkNoLiveBird({ routeProtocol: 77, takeoverProtocols: [3] }, socket);
  });

  it("allows everything without BIRD, also where its socket is left over", async () => {
    const settings = { routeProtocol: 12, takeoverProtocols: [12, 80] };
    await checkNoLiveBird(settings, socket);
    writeFileSync(socket, "");
    await checkNoLiveBird(settings, socket);
  });
});
