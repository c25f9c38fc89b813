import { expect, test } from "vitest";
import { hasBrokenChecksumOffload } from "../../../src/vxlan/checksum-offload.ts";

test.each(["3.10.0-1160.el7.x86_64", "4.19.0", "5.4.0-42-generic", "5.7", "5.7.0-1-amd64"])(
  "kernel %s computes wrong checksums for tunnelled packets",
  (release) => expect(hasBrokenChecksumOffload(release)).toBe(true),
);

test.each(["5.7.1", "5.8.0", "6.1.0-18-amd64", "6.18.44-fc-v657", "unknown"])("kernel %s is trusted", (release) =>
  expect(hasBrokenChecksumOffload(release)).toBe(false),
);
