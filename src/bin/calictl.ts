#!/usr/bin/env node
import { runCalictl } from "../calictl/program.ts";
import { terminalContext } from "../calictl/terminal.ts";

process.exitCode = await runCalictl(process.argv.slice(2), terminalContext());
