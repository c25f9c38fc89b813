import { scenario } from "./scenarios/tunl0.ts";
import { testInUml } from "./support/scenario-tests.ts";

testInUml(new URL("./scenarios/tunl0.ts", import.meta.url), scenario);
