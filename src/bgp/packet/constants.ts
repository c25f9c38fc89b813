/** Message types (RFC 4271 §4.1, RFC 2918). */
export const MessageType = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const;

/** What a ROUTE-REFRESH says (RFC 7313 §3.2): a request, or where the answer begins (BoRR) and ends (EoRR). */
export const RefreshSubtype = { request: 0, begin: 1, end: 2 } as const;

/** Error codes of a NOTIFICATION (RFC 4271 §4.5, RFC 7313 §5). */
export const ErrorCode = { header: 1, open: 2, update: 3, cease: 6, routeRefresh: 7 } as const;

/** Octets of marker, length and type. */
export const headerLength = 19;

/** Largest message without, and with, RFC 8654; OPEN and KEEPALIVE never exceed the former. */
export const standardMaxMessageLength = 4096;
export const extendedMaxMessageLength = 65535;

/** Stands for an AS number above 65535 in a two-octet field (RFC 6793). */
export const asTrans = 23456;

export const maxUint32 = 0xffffffff;
