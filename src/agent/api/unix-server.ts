import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { CalibirdError, errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { bigintAsText } from "../../datastore/json-form.ts";
import type { ErrorView } from "./views.ts";

type ApiErrorCode =
  | "AGENT_ALREADY_RUNNING"
  | "SOCKET_FAILED"
  | "NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "INVALID_REQUEST"
  | "BODY_TOO_LARGE";

/** An error that a client of the sockets sees, with the HTTP status that fits. */
export class ApiError extends CalibirdError<ApiErrorCode> {
  get status(): number {
    return statusOfCode[this.code];
  }
}

const statusOfCode: Record<ApiErrorCode, number> = {
  AGENT_ALREADY_RUNNING: 500,
  SOCKET_FAILED: 500,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  INVALID_REQUEST: 400,
  BODY_TOO_LARGE: 413,
};

export interface ApiRequest {
  readonly method: string;
  /** Decoded path segments after the pattern's fixed part, by name. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The parsed JSON body, undefined without one. */
  readonly body: unknown;
}

export interface ApiRoute {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `/v1/explain/:target`; a last segment `:name*` takes the rest, slashes included. */
  readonly path: string;
  /** Returns what is sent as JSON. Errors with a `code` become an `ErrorView`. */
  readonly handle: (request: ApiRequest) => unknown;
}

/** A route whose answer never ends by itself (server-sent events). */
export interface StreamRoute {
  readonly path: string;
  /** Called with a function that sends one event; returns what ends the stream. An error is answered as that of a route. */
  readonly open: (send: (event: string, data: unknown) => void, query: URLSearchParams) => () => void;
}

const largestBody = 4 * 1024 * 1024;

/** What may wait for the reader of a stream, in octets; one that is further behind is cut off and has to ask again. */
const largestBacklog = 16 * 1024 * 1024;

/** HTTP with JSON bodies on a Unix socket. `mode` is the socket file's permission, e.g. 0o600 for root only. */
export class UnixApiServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #mode: number;
  readonly #routes: readonly ApiRoute[];
  readonly #streams: readonly StreamRoute[];
  readonly #logger: Logger;

  constructor(options: {
    path: string;
    mode: number;
    routes: readonly ApiRoute[];
    streams?: readonly StreamRoute[];
    logger: Logger;
  }) {
    this.#path = options.path;
    this.#mode = options.mode;
    this.#routes = options.routes;
    this.#streams = options.streams ?? [];
    this.#logger = options.logger;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** Takes over the socket of an agent that died; throws `AGENT_ALREADY_RUNNING` if one answers on it. */
  async start(): Promise<void> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
    await checkNotServed(this.#path);
    rmSync(this.#path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error) =>
        reject(
          new ApiError(
            "SOCKET_FAILED",
            `cannot listen on ${this.#path}: ${error.message}`,
            { path: this.#path },
            error,
          ),
        ),
      );
      // The file is made in this very call; nobody else may open it before it has its permission.
      const before = process.umask(0o777 & ~this.#mode);
      this.#server.listen(this.#path, resolve);
      process.umask(before);
    });
    chmodSync(this.#path, this.#mode);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#path, { force: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = readUrl(request.url ?? "/");
      const stream = this.#streams.find((candidate) => candidate.path === url.pathname);
      if (stream !== undefined && request.method === "GET") {
        serveStream(stream, url.searchParams, response);
        return;
      }
      const { route, params } = this.#findRoute(request.method ?? "GET", url.pathname);
      const body = await readBody(request);
      const result = await route.handle({ method: route.method, params, query: url.searchParams, body });
      sendJson(response, 200, result ?? {});
    } catch (error) {
      // Whoever has gone away in the middle of a request wants no answer.
      if (!(error instanceof ApiError) && request.destroyed && !request.complete) return;
      const view = errorView(error);
      const status = error instanceof ApiError ? error.status : error instanceof CalibirdError ? 422 : 500;
      if (status === 500) this.#logger.error({ err: error, url: request.url }, "request failed");
      sendJson(response, status, view);
    }
  }

  #findRoute(method: string, pathname: string): { route: ApiRoute; params: Record<string, string> } {
    let pathExists = false;
    for (const route of this.#routes) {
      const params = matchPath(route.path, pathname);
      if (params === undefined) continue;
      pathExists = true;
      if (route.method === method) return { route, params };
    }
    if (pathExists)
      throw new ApiError("METHOD_NOT_ALLOWED", `${pathname} does not take ${method}`, { method, path: pathname });
    throw new ApiError("NOT_FOUND", `there is no ${pathname} here`, { path: pathname });
  }
}

/** Throws `AGENT_ALREADY_RUNNING` if an agent answers on this socket. */
export async function checkNotServed(path: string): Promise<void> {
  if (!(await answers(path))) return;
  const message = `another agent serves ${path}; stop it first or give this one its own --run-dir`;
  throw new ApiError("AGENT_ALREADY_RUNNING", message, { path });
}

function serveStream(stream: StreamRoute, query: URLSearchParams, response: ServerResponse): void {
  const begin = () => {
    if (response.headersSent) return;
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(": open\n\n");
  };
  const close = stream.open((event, data) => {
    if (response.destroyed) return;
    begin();
    response.write(`event: ${event}\ndata: ${toJson(data)}\n\n`);
    if (response.writableLength > largestBacklog) response.destroy();
  }, query);
  begin();
  response.once("close", close);
}

function readUrl(text: string): URL {
  try {
    return new URL(text, "http://agent");
  } catch {
    throw new ApiError("INVALID_REQUEST", `"${text}" is no path such as /v1/routes`, { value: text });
  }
}

function matchPath(pattern: string, pathname: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const given = pathname.split("/");
  const params: Record<string, string> = {};
  for (let index = 0; index < wanted.length; index++) {
    const segment = wanted[index] ?? "";
    const value = given[index];
    if (value === undefined) return undefined;
    if (segment.startsWith(":") && segment.endsWith("*")) {
      params[segment.slice(1, -1)] = decodeSegment(given.slice(index).join("/"));
      return params;
    }
    if (segment.startsWith(":")) params[segment.slice(1)] = decodeSegment(value);
    else if (segment !== value) return undefined;
  }
  return wanted.length === given.length ? params : undefined;
}

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiError("INVALID_REQUEST", `"${text}" in the path is not percent-encoded text`, { value: text });
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > largestBody)
      throw new ApiError("BODY_TOO_LARGE", `a request body may have ${largestBody} octets at most`, { size });
    chunks.push(bytes);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch (error) {
    throw new ApiError("INVALID_REQUEST", `the request body is not JSON: ${errorMessage(error)}`);
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = toJson(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

function toJson(value: unknown): string {
  return JSON.stringify(value, bigintAsText);
}

function errorView(error: unknown): ErrorView {
  if (error instanceof CalibirdError)
    return { error: { code: error.code, message: error.message, details: { ...error.details } } };
  return { error: { code: "INTERNAL", message: `internal error: ${errorMessage(error)}; see the agent's log` } };
}

/** Somebody who listens accepts at once, unless it hangs; then it is there all the same. */
const answerTimeoutMs = 2_000;

/** True if a program listens on this Unix socket. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    const isBusy = (error: NodeJS.ErrnoException) => error.code === "EAGAIN";
    socket.once("error", (error) => resolve(isBusy(error)));
    socket.setTimeout(answerTimeoutMs, () => {
      socket.destroy();
      resolve(true);
    });
  });
}
