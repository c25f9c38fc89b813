import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import type { ErrorView } from "../agent/api/views.ts";
import { CalibirdError } from "../core/errors.ts";

type AgentClientErrorCode = "AGENT_UNREACHABLE" | "AGENT_REFUSED" | "BAD_ANSWER";

/** The agent could not be asked, or said no. `details.code` is the agent's own error code, if it gave one. */
export class AgentClientError extends CalibirdError<AgentClientErrorCode> {}

const retryMs = 100;
/** Nobody should wonder for longer than this what a command waits for, in milliseconds. */
const silenceMs = 1_000;

/** Talks to one agent through the sockets in its run directory. */
export class AgentClient {
  readonly #runDir: string;
  readonly #waitMs: number;
  readonly #onWaiting: ((socketPath: string) => void) | undefined;

  /**
   * `waitMs`: how long to wait for an agent that is just starting before giving up; `onWaiting` is told once when it takes more
   * than a second.
   */
  constructor(options: { runDir: string; waitMs: number; onWaiting?: (socketPath: string) => void }) {
    this.#runDir = options.runDir;
    this.#waitMs = options.waitMs;
    this.#onWaiting = options.onWaiting;
  }

  /** A read on the status socket, which every user may do. */
  get<Answer>(path: string): Promise<Answer> {
    return this.#call<Answer>("status.sock", "GET", path);
  }

  /** A call on the agent socket, which only root may open. */
  admin<Answer>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<Answer> {
    return this.#call<Answer>("agent.sock", method, path, body);
  }

  /** Server-sent events of the status socket; throws `AGENT_UNREACHABLE` when the agent ends the connection. */
  events(path: string): AsyncGenerator<{ event: string; data: unknown }> {
    return this.#events("status.sock", path);
  }

  /** As `events`, of the agent socket; ends, or throws, when `signal` aborts. */
  adminEvents(path: string, signal: AbortSignal): AsyncGenerator<{ event: string; data: unknown }> {
    return this.#events("agent.sock", path, signal);
  }

  async *#events(socket: string, path: string, signal?: AbortSignal): AsyncGenerator<{ event: string; data: unknown }> {
    const response = await this.#open(socket, "GET", path);
    if ((response.statusCode ?? 500) >= 300) await readAnswer(response, path);
    const end = () => response.destroy();
    signal?.addEventListener("abort", end);
    try {
      signal?.throwIfAborted();
      yield* readEvents(response);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (code !== "ECONNRESET") throw error;
      const message = `the agent ended the stream ${path}: it has stopped, or this reader was too slow; run this again`;
      throw new AgentClientError("AGENT_UNREACHABLE", message, { code }, error);
    } finally {
      signal?.removeEventListener("abort", end);
      response.destroy();
    }
  }

  async #call<Answer>(socket: string, method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.#open(socket, method, path, body);
    return (await readAnswer(response, path)) as Answer;
  }

  async #open(socket: string, method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const socketPath = join(this.#runDir, socket);
    const begin = performance.now();
    const deadline = begin + this.#waitMs;
    let told = false;
    for (;;) {
      try {
        return await send(socketPath, method, path, body);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? String(error.code) : "";
        const starting = code === "ENOENT" || code === "ECONNREFUSED";
        if (starting && performance.now() < deadline) {
          if (!told && performance.now() > begin + silenceMs) {
            this.#onWaiting?.(socketPath);
            told = true;
          }
          await new Promise((resolve) => setTimeout(resolve, retryMs));
          continue;
        }
        throw new AgentClientError("AGENT_UNREACHABLE", unreachable(code, socketPath), { socketPath, code }, error);
      }
    }
  }
}

/** The body of an answer; throws `AGENT_REFUSED` with the agent's own error, or `BAD_ANSWER`. */
async function readAnswer(response: IncomingMessage, path: string): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw new AgentClientError("BAD_ANSWER", `the agent answered ${path} with something that is not JSON`, {}, error);
  }
  if ((response.statusCode ?? 500) < 300) return answer;
  const { error } = answer as ErrorView;
  throw new AgentClientError("AGENT_REFUSED", error.message, { code: error.code, ...error.details });
}

async function* readEvents(response: IncomingMessage): AsyncGenerator<{ event: string; data: unknown }> {
  let pending = "";
  for await (const chunk of response.setEncoding("utf8")) {
    pending += String(chunk);
    let end = pending.indexOf("\n\n");
    while (end >= 0) {
      const lines = pending.slice(0, end).split("\n");
      pending = pending.slice(end + 2);
      const event = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
      if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) };
      end = pending.indexOf("\n\n");
    }
  }
}

function unreachable(code: string, socketPath: string): string {
  if (code === "EACCES" || code === "EPERM") return `${socketPath} is for root only: run this with sudo`;
  return `no agent answers on ${socketPath}: is calibird agent running, and with this --run-dir?`;
}

function send(socketPath: string, method: string, path: string, body: unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { "content-type": "application/json" };
    const call = request({ socketPath, method, path, headers }, resolve);
    call.once("error", reject);
    call.end(text);
  });
}
