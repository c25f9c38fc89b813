import { type ConfigSources, resolveConfig } from "../agent/config/resolve.ts";
import type { AddressExplanation, NodeExplanation } from "../agent/start/explain-addresses.ts";
import { errorMessage } from "../core/errors.ts";
import { type CommandContext, UsageError, writeLine } from "./output.ts";
import { type Column, formatTable } from "./table.ts";

type Candidate = AddressExplanation["candidates"][number];

const columns: readonly Column<Candidate>[] = [
  { title: "ADDRESS", value: ({ address, prefixLength }) => `${address}/${prefixLength}` },
  { title: "INTERFACE", value: ({ device }) => device },
  {
    title: "VERDICT",
    value: ({ verdict }) => verdict,
    style: ({ verdict }) => (verdict === "taken" ? "green" : verdict === "refused" ? "dim" : undefined),
  },
  { title: "WHY", value: ({ reason }) => reason },
];

/** `calibird agent --explain-address`. Returns the exit status: 1 if an address that there should be cannot be found. */
export async function explainAddress(context: CommandContext, sources: ConfigSources): Promise<number> {
  const { explainAddresses } = await import("../agent/start/explain-addresses.ts");
  const config = await resolveConfig(sources).catch((error: unknown) => {
    throw new UsageError(errorMessage(error));
  });
  const explanation = await explainAddresses(config);
  writeLine(context, formatExplanation(explanation, context.colour));
  return explanation.families.some(({ problem }) => problem !== undefined) ? 1 : 0;
}

function formatExplanation({ name, nameFrom, families }: NodeExplanation, colour: boolean): string {
  return [`node ${name}, by ${nameFrom}`, ...families.map((family) => formatFamily(family, colour))].join("\n\n");
}

function formatFamily({ family, wish, address, problem, candidates }: AddressExplanation, colour: boolean): string {
  const outcome = problem ?? address ?? "no address of this family";
  const table = candidates.length === 0 ? "no interface has any" : formatTable(columns, candidates, colour);
  return `IPv${family}: ${outcome}\n  ${wish}\n${table}`;
}
