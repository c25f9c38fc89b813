import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ApiError, type ApiRoute, UnixApiServer } from "../../../../src/agent/api/unix-server.ts";
import { CalibirdError } from "../../../../src/core/errors.ts";
import { silentLogger } from "../../../../src/core/logger.ts";

class FullError extends CalibirdError<"FULL"> {}

const routes: ApiRoute[] = [
  { method: "GET", path: "/v1/things", handle: () => [1, 2] },
  { method: "POST", path: "/v1/things", handle: ({ body }) => ({ got: body }) },
  { method: "GET", path: "/v1/things/:name", handle: ({ params, query }) => ({ ...params, q: query.get("q") }) },
  { method: "GET", path: "/v1/rest/:tail*", handle: ({ params }) => params },
  {
    method: "GET",
    path: "/v1/full",
    handle: () => {
      throw new FullError("FULL", "no room", { sequence: 5n });
    },
  },
  {
    method: "GET",
    path: "/v1/bug",
    handle: () => {
      throw new Error("oops");
    },
  },
  { method: "GET", path: "/v1/gone", handle: () => Promise.reject(new ApiError("NOT_FOUND", "no such thing")) },
];

let folder: string;
let path: string;
let server: UnixApiServer;
let closedStreams = 0;
let errors = 0;
let sendEvent: (event: string, data: unknown) => void;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-api-"));
  path = join(folder, "run", "agent.sock");
  closedStreams = 0;
  errors = 0;
  server = newServer();
  await server.start();
});

afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function newServer(): UnixApiServer {
  const streams = [
    {
      path: "/v1/events",
      open: (send: (event: string, data: unknown) => void) => {
        send("route", { prefix: "10.0.0.0/26" });
        sendEvent = send;
        return () => {
          closedStreams++;
        };
      },
    },
  ];
  const logger = { ...silentLogger, error: () => void errors++ };
  return new UnixApiServer({ path, mode: 0o600, routes, streams, logger });
}

function call(method: string, url: string, body?: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: path, method, path: url }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += String(chunk);
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

describe("UnixApiServer", () => {
  it("answers JSON by method and path", async () => {
    expect(await call("GET", "/v1/things")).toEqual({ status: 200, body: [1, 2] });
    expect(await call("POST", "/v1/things", '{"a":1}')).toEqual({ status: 200, body: { got: { a: 1 } } });
    expect(await call("GET", "/v1/things/n%2F1?q=x")).toEqual({ status: 200, body: { name: "n/1", q: "x" } });
    expect(await call("GET", "/v1/rest/a/b")).toEqual({ status: 200, body: { tail: "a/b" } });
  });

  it("tells a wrong path from a wrong method", async () => {
    expect(await call("GET", "/v2")).toMatchObject({ status: 404, body: { error: { code: "NOT_FOUND" } } });
    expect(await call("DELETE", "/v1/things")).toMatchObject({ status: 405 });
  });

  it("gives typed errors with their code and details, big numbers included, and hides nothing of a bug", async () => {
    expect(await call("GET", "/v1/full")).toEqual({
      status: 422,
      body: { error: { code: "FULL", message: "no room", details: { sequence: "5" } } },
    });
    expect(await call("GET", "/v1/gone")).toMatchObject({ status: 404, body: { error: { code: "NOT_FOUND" } } });
    expect(await call("GET", "/v1/bug")).toMatchObject({ status: 500, body: { error: { code: "INTERNAL" } } });
  });

  it("refuses a body that is no JSON, a path that is no text, and a body without end", async () => {
    expect(await call("POST", "/v1/things", "{")).toMatchObject({ status: 400 });
    expect(await call("GET", "/v1/things/%ff")).toMatchObject({ status: 400 });
    const huge = JSON.stringify("x".repeat(5 * 1024 * 1024));
    expect(await call("POST", "/v1/things", huge)).toMatchObject({ status: 413 });
  });

  it("survives bytes that are no HTTP", async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(path, () => socket.end("\xff\xfe nonsense\r\n\r\n"));
      socket.resume().on("close", () => resolve());
    });
    expect(await call("GET", "/v1/things")).toMatchObject({ status: 200 });
  });

  it("gives the socket file the permission it was told", () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("refuses to take the socket of a live agent and takes over that of a dead one", async () => {
    await expect(newServer().start()).rejects.toMatchObject({ code: "AGENT_ALREADY_RUNNING" });
    await server.stop();
    writeFileSync(path, "");
    server = newServer();
    await server.start();
    expect(await call("GET", "/v1/things")).toMatchObject({ status: 200 });
  });

  it("streams events until the client goes", async () => {
    const first = await new Promise<string>((resolve, reject) => {
      const sent = request({ socketPath: path, path: "/v1/events" }, (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += String(chunk);
          if (!text.includes("event: ")) return;
          sent.destroy();
          resolve(text);
        });
        response.on("error", () => {});
      });
      sent.on("error", reject);
      sent.end();
    });
    expect(first).toContain('event: route\ndata: {"prefix":"10.0.0.0/26"}\n\n');
    await expect.poll(() => closedStreams).toBe(1);
  });

  it("cuts a client off that asks for events and does not read them, and goes on serving others", async () => {
    const reader = connect(path, () => reader.write("GET /v1/events HTTP/1.1\r\nHost: agent\r\n\r\n"));
    await new Promise((resolve) => reader.once("data", resolve));
    reader.pause();
    const page = "x".repeat(1024 * 1024);
    for (let count = 0; count < 100; count++) sendEvent("route", page);
    await expect.poll(() => closedStreams).toBe(1);
    expect(await call("GET", "/v1/things")).toMatchObject({ status: 200 });
    reader.destroy();
  });

  it("takes it for no failure of its own if a client goes away in the middle of a request", async () => {
    const client = connect(path, () =>
      client.write("POST /v1/things HTTP/1.1\r\nHost: agent\r\nContent-Length: 100\r\n\r\n{"),
    );
    await new Promise((resolve) => client.once("ready", resolve));
    // Served after the one before.
    expect(await call("GET", "/v1/bug")).toMatchObject({ status: 500 });
    expect(errors).toBe(1);
    client.destroy();
    await new Promise((resolve) => client.once("close", resolve));
    expect(await call("GET", "/v1/things")).toMatchObject({ status: 200 });
    expect(errors).toBe(1);
  });

  it("refuses a request line that no address can be made of", async () => {
    expect(await call("GET", "//")).toMatchObject({ status: 400, body: { error: { code: "INVALID_REQUEST" } } });
  });
});
