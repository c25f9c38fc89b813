// `npm run build`: src/ to dist/, also in a fresh clone.
import { build, checkNode, ensurePackages } from "./prepare.mjs";

checkNode();
ensurePackages();
build();
