import { type Allocation, allocationsOf } from "../../ipam/allocations.ts";
import type { Block } from "../../ipam/block.ts";
import { nodeOf } from "../../ipam/block-choice.ts";
import { paint, type Style } from "../table.ts";
import type { ClusterView } from "./cluster.ts";

/** Addresses per line, in groups: with the label, a line has less than 80 columns. */
const PER_LINE = 64;
const PER_GROUP = 8;

/** What an address of a block can be. */
const marks = {
  free: { sign: ".", style: "dim", text: "free" },
  pod: { sign: "#", style: "green", text: "in use" },
  tunnel: { sign: "T", style: "green", text: "tunnel of a node" },
  borrowed: { sign: "b", style: "yellow", text: "borrowed by another node" },
  cooling: { sign: "c", style: "dim", text: "cooling down" },
  nameless: { sign: "?", style: "red", text: "without a handle" },
  reserved: { sign: "r", style: "dim", text: "reserved" },
} as const satisfies Record<string, { readonly sign: string; readonly style: Style; readonly text: string }>;

type Mark = keyof typeof marks;

/** A picture of every block, one sign per address, pool by pool. */
export function drawBlocks({ survey, facts, reserved }: ClusterView, colour: boolean): string {
  const seen = new Set<Mark>();
  const draw = (block: Block): string[] => {
    const signs = marksOf(block, reserved);
    for (const mark of signs) seen.add(mark);
    return drawBlock(block, signs, colour);
  };
  const parts = facts.pools.flatMap((pool) => {
    const own = survey.blocks.filter(({ cidr }) => pool.cidr.contains(cidr));
    const total = 2 ** (pool.blockSize - pool.cidr.length);
    return [`IP pool ${pool.name} ${pool.cidr}: ${own.length} of ${total} blocks`, ...own.flatMap(draw), ""];
  });
  const orphans = survey.blocks.filter(({ cidr }) => !facts.pools.some((pool) => pool.cidr.contains(cidr)));
  if (orphans.length > 0) parts.push("in no IP pool", ...orphans.flatMap(draw), "");
  if (survey.blocks.length === 0) return [...parts, "there are no blocks yet"].join("\n");
  return [...parts, ...legend(seen, colour)].join("\n");
}

function drawBlock({ cidr, affinity }: Block, signs: readonly Mark[], colour: boolean): string[] {
  const used = signs.filter((mark) => mark !== "free" && mark !== "reserved").length;
  const owner = affinity === null ? "no owner" : affinity.replace(":", " ");
  const lines = [`${cidr}  ${owner}  ${used} of ${signs.length} in use`];
  for (let start = 0; start < signs.length; start += PER_LINE) {
    const groups: string[] = [];
    const end = Math.min(start + PER_LINE, signs.length);
    for (let first = start; first < end; first += PER_GROUP)
      groups.push(signsOf(signs.slice(first, Math.min(first + PER_GROUP, end)), colour));
    lines.push(`${`+${start}`.padStart(6)} ${groups.join(" ")}`);
  }
  return lines;
}

/** Signs in a row; what looks alike is coloured at once. */
function signsOf(group: readonly Mark[], colour: boolean): string {
  if (!colour) return group.map((mark) => marks[mark].sign).join("");
  let text = "";
  for (let start = 0; start < group.length; ) {
    const mark = group[start] ?? "free";
    let end = start + 1;
    while (group[end] === mark) end++;
    text += paint(marks[mark].style, marks[mark].sign.repeat(end - start));
    start = end;
  }
  return text;
}

function marksOf(block: Block, reserved: ClusterView["reserved"]): Mark[] {
  const taken = new Map(allocationsOf(block).map((allocation) => [allocation.address.toString(), allocation]));
  return block.allocations.map((_, ordinal) => {
    const address = block.cidr.address.plus(ordinal);
    const allocation = taken.get(address.toString());
    if (allocation === undefined) return reserved.holds(address) ? "reserved" : "free";
    return markOf(allocation, nodeOf(block));
  });
}

function markOf({ coolingDown, handleId, isBorrowed, attributes }: Allocation, owner: string | undefined): Mark {
  if (coolingDown) return "cooling";
  if (handleId === undefined) return "nameless";
  if (isBorrowed && owner !== undefined) return "borrowed";
  return attributes.type?.endsWith("TunnelAddress") ? "tunnel" : "pod";
}

/** What the signs mean that were drawn, in lines of less than 80 columns. */
function legend(seen: ReadonlySet<Mark>, colour: boolean): string[] {
  const lines: string[] = [];
  let line = "";
  let width = 0;
  for (const [mark, { sign, style, text }] of Object.entries(marks)) {
    if (!seen.has(mark as Mark)) continue;
    const length = text.length + 5;
    if (width + length > 78) {
      lines.push(line.trimEnd());
      line = "";
      width = 0;
    }
    line += `${colour ? paint(style, sign) : sign} ${text}   `;
    width += length;
  }
  return [...lines, line.trimEnd()];
}
