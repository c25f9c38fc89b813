import { scenario } from "./scenarios/tcp-ao.ts";
import { testInUml } from "./support/scenario-tests.ts";

testInUml(new URL("./scenarios/tcp-ao.ts", import.meta.url), scenario);
