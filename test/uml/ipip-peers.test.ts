import { scenario } from "./scenarios/ipip-peers.ts";
import { testInUml } from "./support/scenario-tests.ts";

testInUml(new URL("./scenarios/ipip-peers.ts", import.meta.url), scenario);
