import { scenario } from "./scenarios/ipip-userspace.ts";
import { testInUml } from "./support/scenario-tests.ts";

testInUml(new URL("./scenarios/ipip-userspace.ts", import.meta.url), scenario);
