// `npm run build`: src/ to dist/ and bench/ to dist-bench/, also in a fresh clone.
import { build, buildBench, checkNode, ensurePackages } from "./prepare.mjs";

checkNode();
ensurePackages();
build();
buildBench();
