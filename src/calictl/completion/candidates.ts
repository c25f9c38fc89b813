import type { Command } from "commander";
import type { PeerView } from "../../agent/api/views.ts";
import { findKind, kinds, type ResourceKind, resourceKinds } from "../../resources/kinds.ts";
import { objectSchemas } from "../../resources/resource.ts";
import type { AnyFieldSchema } from "../../resources/schema.ts";
import type { AgentClient } from "../agent-client.ts";
import { nameOf, optionsOf, readTypedLine, type TypedLine } from "./command-line.ts";

/** In place of candidates: the names of files. The shells' scripts know it. */
const FILES = ":files";

/** Whom the names are asked for. */
export interface CompletionSources {
  /** The names of a kind's objects in a namespace; `config` as `-c`. */
  readonly names: (kind: ResourceKind, namespace: string, config: string | undefined) => Promise<readonly string[]>;
  /** Those that objects are in. */
  readonly namespaces: (config: string | undefined) => Promise<readonly string[]>;
  readonly agent: () => AgentClient;
}

/** What may stand at a place of an argument. */
type ArgumentSource = (line: TypedLine, sources: CompletionSources) => readonly string[] | Promise<readonly string[]>;

const someKind: ArgumentSource = () => resourceKinds.map((kind) => kind.toLowerCase());
const someName: ArgumentSource = (line, sources) => namesOf(line.args[0] ?? "", line, sources);
const somePool: ArgumentSource = (line, sources) => namesOf("ippool", line, sources);
const somePeer: ArgumentSource = async (_line, { agent }) =>
  (await agent().get<PeerView[]>("/v1/peers")).map(({ name }) => name);

/** By command; the last source stands for all further arguments, too. */
const argumentSources: Readonly<Record<string, readonly ArgumentSource[]>> = {
  get: [someKind, someName],
  delete: [someKind, someName],
  patch: [someKind, someName, none],
  label: [someKind, someName, labels],
  explain: [fieldPaths, none],
  "pool set-mode": [somePool, () => ["Always", "CrossSubnet", "Never"], none],
  "bgp neighbor": [somePeer, () => ["received", "advertised"], none],
  completion: [() => ["bash", "zsh", "fish"], none],
};

const fileOptions = new Set(["filename", "config", "run-dir"]);
const getFormats = ["ps", "wide", "yaml", "json", "name", "custom-columns=", "jsonpath=", "go-template="];

/** What may come next on a command line, one candidate each, all of them beginning with what has been typed. */
export async function findCandidates(
  program: Command,
  words: readonly string[],
  sources: CompletionSources,
): Promise<readonly string[]> {
  const line = readTypedLine(program, words);
  const all = await candidatesFor(program, line, sources);
  return all.filter((candidate) => candidate === FILES || candidate.startsWith(line.current));
}

async function candidatesFor(
  program: Command,
  line: TypedLine,
  sources: CompletionSources,
): Promise<readonly string[]> {
  const { command, option, current, path, args } = line;
  if (option !== undefined) {
    const name = nameOf(option);
    if (fileOptions.has(name)) return [FILES];
    if (name === "namespace") return sources.namespaces(line.options.get("config"));
    if (name === "output") return path === "get" ? getFormats : ["wide", "json", "yaml"];
    return option.argChoices ?? [];
  }
  if (current.startsWith("-")) return optionsOf(program, command).flatMap(({ long }) => long ?? []);
  if (command.commands.length > 0 && args.length === 0) return visibleCommands(command);
  const known = argumentSources[path] ?? [];
  const source = known[Math.min(args.length, known.length - 1)];
  return source === undefined ? [] : source(line, sources);
}

function visibleCommands(command: Command): string[] {
  const visible = new Set(command.createHelp().visibleCommands(command));
  return command.commands.filter((child) => visible.has(child)).map((child) => child.name());
}

function none(): readonly string[] {
  return [];
}

async function namesOf(kindName: string, line: TypedLine, sources: CompletionSources): Promise<readonly string[]> {
  const { options, args } = line;
  const names = await sources.names(findKind(kindName), options.get("namespace") ?? "default", options.get("config"));
  return names.filter((name) => !args.slice(1).includes(name));
}

function labels({ command, args }: TypedLine): readonly string[] {
  return args.length === 2 ? [] : command.options.flatMap(({ long }) => long ?? []);
}

/** `ippool`, then `ippool.spec`, then `ippool.spec.cidr`. */
function fieldPaths({ current }: TypedLine): readonly string[] {
  const steps = current.split(".");
  const [kindName = ""] = steps;
  if (steps.length === 1) return resourceKinds.map((kind) => kind.toLowerCase());
  const schema = steps
    .slice(1, -1)
    .reduce<AnyFieldSchema | undefined>((at, step) => fieldsOf(at)[step], objectSchemas[findKind(kindName)]);
  const parent = steps.slice(0, -1).join(".");
  return Object.keys(fieldsOf(schema)).map((name) => `${parent}.${name}`);
}

function fieldsOf(schema: AnyFieldSchema | undefined): Readonly<Record<string, AnyFieldSchema>> {
  if (schema?.type === "list") return fieldsOf(schema.items);
  return schema?.type === "object" ? schema.fields : {};
}

/** The kinds whose objects are in namespaces. */
export const namespacedKinds = resourceKinds.filter((kind) => kinds[kind].namespaced);
