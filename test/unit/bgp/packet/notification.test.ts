import { describe, expect, test } from "vitest";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import {
  encodeNotification,
  encodeShutdownCommunication,
  shutdownCommunication,
} from "../../../../src/bgp/packet/notification.ts";
import { notificationName } from "../../../../src/bgp/packet/notification-names.ts";
import { encodeRouteRefresh } from "../../../../src/bgp/packet/route-refresh.ts";
import { fromHex, messageOf, session, toHex } from "./sessions.ts";

describe("NOTIFICATION", () => {
  test("has code, subcode and data, known or not", () => {
    const bytes = encodeNotification({ code: 99, subcode: 98, data: fromHex("cafe") });
    expect(toHex(bytes).slice(32)).toBe("001703" + "6362cafe");
    expect(decodeMessage(bytes, undefined)).toEqual({
      ok: true,
      message: { type: "notification", code: 99, subcode: 98, data: fromHex("cafe") },
    });
  });

  test("cuts data that no message of 4096 octets can hold, for it must get out", () => {
    expect(encodeNotification({ code: 3, subcode: 1, data: new Uint8Array(5000) }).length).toBe(4096);
  });

  test.each([
    [6, 2, "Cease: Administrative Shutdown"],
    [2, 6, "OPEN Message Error: Unacceptable Hold Time"],
    [4, 0, "Hold Timer Expired"],
    [3, 77, "UPDATE Message Error: subcode 77"],
    [99, 1, "error code 99, subcode 1"],
  ])("%i/%i reads as %s", (code, subcode, text) => {
    expect(notificationName(code, subcode)).toBe(text);
  });
});

describe("the shutdown communication of RFC 9003", () => {
  const received = (subcode: number, data: Uint8Array) => shutdownCommunication({ code: 6, subcode, data });

  test("comes back as it was sent, in a shutdown, a reset and inside a hard reset", () => {
    const data = encodeShutdownCommunication("maintenance [TICKET-1] über");
    expect(received(2, data)).toBe("maintenance [TICKET-1] über");
    expect(received(4, data)).toBe("maintenance [TICKET-1] über");
    expect(received(9, Uint8Array.from([6, 2, ...data]))).toBe("maintenance [TICKET-1] über");
    expect(received(3, data)).toBeUndefined();
  });

  test("is cut to 255 octets between characters", () => {
    const data = encodeShutdownCommunication("é".repeat(200));
    expect(data.length).toBe(255);
    expect(data[0]).toBe(254);
    expect(received(2, data)).toBe("é".repeat(127));
  });

  test("may be absent or empty", () => {
    expect(received(2, new Uint8Array(0))).toBeUndefined();
    expect(received(2, fromHex("00"))).toBeUndefined();
    expect(received(9, fromHex("06"))).toBeUndefined();
  });

  test("with a length beyond the data is shown in hexadecimal", () => {
    expect(received(2, fromHex("05616263"))).toBe("(malformed: 0x05616263)");
  });

  test("that is no UTF-8 is shown in hexadecimal", () => {
    for (const octets of ["02c328", "01ff", "03eda080"])
      expect(received(4, fromHex(octets))).toBe(`(malformed: 0x${octets})`);
  });

  test("cannot forge log lines or hide text", () => {
    expect(received(2, encodeShutdownCommunication("a\nb\u001b[31m\u202e"))).toBe("a\\u{a}b\\u{1b}[31m\\u{202e}");
  });
});

describe("ROUTE-REFRESH", () => {
  test("has family and subtype in its four octets", () => {
    const bytes = encodeRouteRefresh({ afi: 2, safi: 1, subtype: 1 });
    expect(toHex(bytes).slice(32)).toBe("001705" + "00020101");
    expect(decodeMessage(bytes, undefined)).toEqual({
      ok: true,
      message: { type: "route-refresh", afi: 2, safi: 1, subtype: 1 },
    });
  });

  test("of the wrong length is 1/2, or 7/1 with the whole message where RFC 7313 is agreed on", () => {
    const long = messageOf(5, "0001010100");
    const plain = decodeMessage(long, session());
    const enhanced = decodeMessage(long, session({ enhancedRouteRefresh: true }));
    const request = decodeMessage(messageOf(5, "000100"), session({ enhancedRouteRefresh: true }));
    expect(plain).toMatchObject({ ok: false, error: { code: 1, subcode: 2, data: fromHex("0018") } });
    expect(enhanced).toMatchObject({ ok: false, error: { code: 7, subcode: 1, data: long } });
    expect(request).toMatchObject({ ok: false, error: { code: 1, subcode: 2, data: fromHex("0016") } });
  });
});
