import { expect, it } from "vitest";
import { decisionOptions } from "../../../../src/agent/config/bgp-settings.ts";
import { defaultDecisionOptions } from "../../../../src/bgp/rib/decision-steps.ts";

it.each([
  ["standard", {}],
  ["multipath=4", { multipathEbgp: 4, multipathIbgp: 4 }],
  ["multipath-relaxed, multipath=4,multipath-ibgp=1", { multipathRelaxed: true, multipathEbgp: 4, multipathIbgp: 1 }],
  ["as-path-ignore,always-compare-med", { asPathIgnore: true, alwaysCompareMed: true }],
  ["missing-med-worst,ignore-router-id", { missingMedIsWorst: true, compareRouterId: false }],
])("reads %s", (text, changes) => {
  expect(decisionOptions(text)).toEqual({ ...defaultDecisionOptions, ...changes });
});

it.each(["", "multipath", "multipath=0", "multipath=65", "multipath=4x", "med", "toString", "as-path-ignore=1"])(
  "says what would be right in place of %j",
  (text) => {
    expect(() => decisionOptions(text)).toThrow("must be a list such as multipath=4,multipath-relaxed of standard, ");
  },
);
