import { scenario } from "./scenarios/ipip-modes.ts";
import { testInUml } from "./support/scenario-tests.ts";

testInUml(new URL("./scenarios/ipip-modes.ts", import.meta.url), scenario);
