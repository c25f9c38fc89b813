import { describe, expect, test } from "vitest";
import { errnoName, errnoText } from "../../../src/sys/errno.ts";
import { SyscallError } from "../../../src/sys/errors.ts";

describe("errnos", () => {
  test.each([
    [2, "ENOENT", "no such file or directory"],
    [3, "ESRCH", "no such process"],
    [11, "EAGAIN", "resource temporarily unavailable"],
    [17, "EEXIST", "file already exists"],
    [95, "EOPNOTSUPP", "operation not supported on socket"],
    [101, "ENETUNREACH", "network is unreachable"],
    [105, "ENOBUFS", "no buffer space available"],
    [524, "ENOTSUPP", "operation is not supported"],
  ])("%i is %s: %s", (errno, name, text) => {
    expect([errnoName(errno), errnoText(errno)]).toEqual([name, text]);
  });

  test("without a name are called by their number", () => {
    expect([errnoName(4_000), errnoText(4_000)]).toEqual(["E4000", "system error 4000"]);
  });

  test("make a message that says which call failed, on what and why", () => {
    const error = new SyscallError("mount", 2, "/a on /b");
    expect(error.message).toBe("mount /a on /b: ENOENT: no such file or directory");
    expect(error).toMatchObject({ code: "ENOENT", syscall: "mount", errno: 2, name: "SyscallError" });
  });
});
