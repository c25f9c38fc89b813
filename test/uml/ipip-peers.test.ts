import { scenario } from "./scenarios/ipip-peers.ts";
import { testInUml } from "./support/scenario-tests.ts";

// Four changes of mode with pings running take their time on a busy machine.
testInUml(new URL("./scenarios/ipip-peers.ts", import.meta.url), scenario, { timeoutMs: 230_000 });
