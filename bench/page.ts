import { goalTable } from "./goals.ts";
import { type Report, type Run, summarize } from "./results.ts";
import { scenarios } from "./scenarios.ts";
import { renderMarkdown, tableOf } from "./tables.ts";

const begin = "<!-- results: written by bench/write-page.ts -->";
const end = "<!-- end of results -->";

/** The page with the tables of these reports in place of those that it has. Throws if it has no place for them. */
export function withResults(page: string, reports: readonly Report[]): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the page needs the lines ${begin} and ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${renderResults(reports)}\n\n${page.slice(to)}`;
}

/** A section for each scenario; of a scenario and size that several reports have, the last one counts. */
export function renderResults(reports: readonly Report[]): string {
  const latest = new Map<string, { readonly report: Report; readonly runs: Run[] }>();
  for (const report of reports) {
    const own = new Set<string>();
    for (const run of report.runs) {
      const key = `${run.scenario} ${run.size}`;
      if (!own.has(key)) latest.set(key, { report, runs: [] });
      own.add(key);
      latest.get(key)?.runs.push(run);
    }
  }
  const sections = scenarios.flatMap((scenario) => {
    const ofScenario = [...latest.values()].filter(({ runs }) => runs[0]?.scenario === scenario.name);
    if (ofScenario.length === 0) return [];
    const parts = ofScenario
      .sort((left, right) => (left.runs[0]?.size ?? 0) - (right.runs[0]?.size ?? 0))
      .flatMap(({ runs }) =>
        summarize(runs).map((table) =>
          [
            `${table.size.toLocaleString("en")} ${scenario.sizeName}, ${conditions(runs)}:`,
            renderMarkdown(tableOf(scenario, table)),
          ].join("\n\n"),
        ),
      );
    return [[`### ${scenario.name}`, `${capitalized(scenario.about)}.`, ...parts].join("\n\n")];
  });
  const all = [...latest.values()];
  const goals = goalTable(all.flatMap(({ runs }) => summarize(runs)));
  const standing = goals.length > 1 ? [`### Goals\n\n${about}\n\n${renderMarkdown(goals)}`] : [];
  return [machines(all.map(({ report }) => report)), ...standing, ...sections].join("\n\n");
}

const about =
  "What calibird wants to be to others in the same run, what it must not exceed, and what it is: *reached*, *near* (within what it " +
  "must not exceed) or *missed*.";

/** How often, and whether the machine had other work. */
function conditions(runs: readonly Run[]): string {
  const rounds = Math.max(...runs.map(({ round }) => round));
  const busy = Math.max(...runs.map((run) => run.busy));
  const noise = busy > 0.5 ? `others took up to ${busy.toFixed(1)} cores` : "on a quiet machine";
  return `${rounds === 1 ? "one round" : `medians of ${rounds} rounds`}, ${noise}`;
}

/** On which machines, with which versions of the others. */
function machines(reports: readonly Report[]): string {
  const places = new Map<string, Set<string>>();
  for (const { startedAt, machine, versions } of reports) {
    const system = `${machine.cores} cores, Linux ${machine.kernel}, Node.js ${machine.node}`;
    const place = `Measured on ${startedAt.slice(0, 10)}: ${machine.processor}, ${system}`;
    const programs = places.get(place) ?? new Set();
    places.set(place, programs);
    for (const [name, version] of Object.entries(versions)) {
      const text = version.replace(/ version /, " ");
      programs.add(text.toLowerCase().includes(name) ? text : `${name}: ${text}`);
    }
  }
  return [...places].map(([place, programs]) => `${[place, ...programs].join("; ")}.`).join("\n\n");
}

function capitalized(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
