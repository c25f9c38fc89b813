import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { registerApply } from "./apply.ts";
import { registerCreate } from "./create.ts";
import { registerDelete } from "./delete.ts";
import { registerGet } from "./get.ts";
import { registerReplace } from "./replace.ts";

/** The commands that work with the cluster's resources, in calicoctl's words. */
export function registerResourceCommands(program: Command, tools: CommandTools): void {
  for (const register of [registerGet, registerCreate, registerApply, registerReplace, registerDelete])
    register(program, tools);
}
