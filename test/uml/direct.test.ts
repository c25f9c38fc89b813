import { scenario } from "./scenarios/direct.ts";
import { testInUml } from "./support/scenario-tests.ts";

testInUml(new URL("./scenarios/direct.ts", import.meta.url), scenario);
