import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { registerApply } from "./apply.ts";
import { registerCreate } from "./create.ts";
import { registerDelete } from "./delete.ts";
import { registerDiff } from "./diff.ts";
import { registerExplain } from "./explain-kind.ts";
import { registerGet } from "./get.ts";
import { registerLabel } from "./label.ts";
import { registerPatch } from "./patch.ts";
import { registerReplace } from "./replace.ts";
import { registerValidate } from "./validate.ts";

/** The commands that work with the cluster's resources, in calicoctl's words. */
export function registerResourceCommands(program: Command, tools: CommandTools): void {
  registerGet(program, tools);
  registerCreate(program, tools);
  registerApply(program, tools);
  registerReplace(program, tools);
  registerDelete(program, tools);
  registerPatch(program, tools);
  registerLabel(program, tools);
  registerDiff(program, tools);
  registerValidate(program, tools);
  registerExplain(program, tools);
}
