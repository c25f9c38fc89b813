import { request } from "node:http";
import { join } from "node:path";
import type { NodeStatusView } from "../agent/api/views.ts";

/** What the agent of a run directory says of itself; undefined while it does not answer. */
export function readAgentStatus(runDirectory: string): Promise<NodeStatusView | undefined> {
  return new Promise((resolve) => {
    const asked = request({ socketPath: join(runDirectory, "status.sock"), path: "/v1/status" }, (answer) => {
      let body = "";
      answer.setEncoding("utf8");
      answer.on("data", (text: string) => {
        body += text;
      });
      answer.once("error", () => resolve(undefined));
      answer.once("end", () => resolve(answer.statusCode === 200 ? parseStatus(body) : undefined));
    });
    // No socket yet, or nobody behind it: the agent is starting.
    asked.once("error", () => resolve(undefined));
    asked.end();
  });
}

function parseStatus(body: string): NodeStatusView | undefined {
  const value: unknown = JSON.parse(body);
  return isStatus(value) ? value : undefined;
}

function isStatus(value: unknown): value is NodeStatusView {
  return typeof value === "object" && value !== null && "peers" in value && Array.isArray(value.peers);
}
