// Checks the dependency direction of the design: a folder imports only itself and folders of a lower layer, no file imports
// itself by way of others, and the purity rules that no compiler knows.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listSources, readImports, repositoryRoot } from "./source-files.mjs";

/** From the ground floor up. Longest matching folder wins, so bgp/packet may lie below bgp. */
const layers = [
  ["core"],
  ["net"],
  ["sys"],
  ["resources", "netlink", "bgp/packet"],
  // BFD must not share the main thread, and so has sockets of its own; the speaker is told of it from outside.
  ["datastore", "bgp", "bgp/bfd", "fib"],
  ["ipam", "ipip", "tunnel", "vxlan", "endpoint", "nat", "policy"],
  ["agent"],
  ["cni", "calictl", "lab", "ui"],
  ["bin"],
];

/** Packages and folders that only some folders may know, and why. */
const reserved = [
  { target: /^koffi$/, folders: ["sys"], why: "only sys/ calls libc" },
  { target: /^etcd3$/, folders: ["datastore"], why: "all else knows the Datastore interface" },
  { target: /^pino$/, folders: ["agent"], why: "components take a Logger; the composition root knows the library" },
  { target: /^node:child_process$/, folders: ["lab", "nat"], why: "the agent runs no program but nft" },
];

/** Further imports that are forbidden although the layers would allow them. */
const forbidden = [
  {
    from: "bgp",
    except: ["bgp/bfd"],
    to: ["resources", "netlink", "sys"],
    why: "bgp knows nothing of Calico, Kubernetes or the kernel",
  },
  { from: "resources", to: ["sys"], why: "resources are pure" },
];

/** Folders whose code must be a pure function of its input. */
const pure = ["net", "resources", "bgp/packet", "bgp/fsm", "bgp/policy", "bgp/rib"];
const impure = /\b(Date\.now|setTimeout|setInterval|setImmediate|Math\.random|performance\.now|process\.)/;

/** What others may use alone: all that an entry point reaches, however far away, lies in these folders and packages. */
const products = [
  {
    entry: "src/bgp/packet/index.ts",
    name: "calibird/bgp-packet",
    folders: ["bgp/packet", "net", "core"],
    packages: ["ip-address"],
  },
];

const rankOf = new Map(layers.flatMap((folders, rank) => folders.map((folder) => [folder, rank])));

function folderOf(file) {
  const parts = file.split("/").slice(1, -1);
  for (let depth = parts.length; depth > 0; depth--) {
    const folder = parts.slice(0, depth).join("/");
    if (rankOf.has(folder)) return folder;
  }
  return undefined;
}

const problems = [];
const files = listSources("src");
for (const file of files) {
  const folder = folderOf(file);
  if (folder === undefined) {
    problems.push(`${file}: lies in no folder of the layout`);
    continue;
  }
  const isPure = pure.some((name) => file.startsWith(`src/${name}/`));
  if (isPure && impure.test(readFileSync(join(repositoryRoot, file), "utf8")))
    problems.push(`${file}: ${folder} is pure, but this uses a clock, a timer, randomness or the process`);
  for (const { specifier, target } of readImports(file)) {
    for (const rule of reserved)
      if (rule.target.test(specifier) && !rule.folders.includes(folder))
        problems.push(`${file}: imports ${specifier}, but ${rule.why}`);
    if (isPure && specifier.startsWith("node:") && specifier !== "node:util" && specifier !== "node:crypto")
      problems.push(`${file}: ${folder} is pure, but this imports ${specifier}`);
    if (target === undefined) continue;
    if (!target.startsWith("src/")) {
      problems.push(`${file}: imports ${target}, which is outside src/`);
      continue;
    }
    const other = folderOf(target);
    if (other === undefined || other === folder) continue;
    if ((rankOf.get(other) ?? 0) >= (rankOf.get(folder) ?? 0))
      problems.push(`${file}: ${folder} must not import ${other} (${target})`);
    for (const rule of forbidden)
      if (
        (folder === rule.from || folder.startsWith(`${rule.from}/`)) &&
        !rule.except?.includes(folder) &&
        rule.to.includes(other)
      )
        problems.push(`${file}: imports ${target}, but ${rule.why}`);
  }
}

for (const { entry, name, folders, packages } of products) {
  const reached = new Set([entry]);
  for (const file of reached)
    for (const { specifier, target } of readImports(file)) {
      const isAllowed = target === undefined ? packages.includes(specifier) : folders.includes(folderOf(target));
      if (!isAllowed) problems.push(`${file}: ${name} reaches ${specifier}, but must stand alone`);
      if (target !== undefined) reached.add(target);
    }
}

/** Files that import each other in a circle, if only for types: none of them can be read without the others. */
function reportCircles() {
  const done = new Set();
  const path = [];
  const visit = (file) => {
    const start = path.indexOf(file);
    if (start >= 0) problems.push(`${file}: imports itself by way of ${path.slice(start + 1).join(", ")}`);
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const { target } of readImports(file)) if (target !== undefined) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of files) visit(file);
}

reportCircles();
for (const problem of problems) console.error(problem);
console.log(`layers: ${files.length} files, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
