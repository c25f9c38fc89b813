import { scenario } from "./scenarios/ipip-device.ts";
import { testInUml } from "./support/scenario-tests.ts";

testInUml(new URL("./scenarios/ipip-device.ts", import.meta.url), scenario);
