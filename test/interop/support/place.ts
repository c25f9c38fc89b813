/** Who lives where on the segment of a bench. */
export const place = {
  us: "10.0.1.1",
  them: "10.0.1.2",
  /** Addresses for third parties. */
  edge: ["10.0.1.3", "10.0.1.4"],
  usV6: "fd00:1::1",
  themV6: "fd00:1::2",
} as const;
