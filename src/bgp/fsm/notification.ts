import { ErrorCode } from "../packet/constants.ts";
import type { NotificationMessage } from "../packet/message.ts";
import { encodeShutdownCommunication, shutdownCommunication } from "../packet/notification.ts";
import { notificationName } from "../packet/notification-names.ts";

const noData = new Uint8Array(0);

/** A NOTIFICATION as a value. */
export function notification(code: number, subcode: number, data: Uint8Array = noData): NotificationMessage {
  return { type: "notification", code, subcode, data };
}

/** Cease subcodes that the speaker sends or treats apart (RFC 4486, 8538, 9384). */
export const CeaseSubcode = {
  unspecific: 0,
  maxPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  connectionRejected: 5,
  otherConfigurationChange: 6,
  collision: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const;

/** Cease 6/2 with a text for the operator on the other side (RFC 9003); none if it is empty. */
export function administrativeShutdown(message = ""): NotificationMessage {
  const data = message === "" ? noData : encodeShutdownCommunication(message);
  return notification(ErrorCode.cease, CeaseSubcode.administrativeShutdown, data);
}

/** For people, e.g. `Cease: Administrative Shutdown "node drained"`; shows what a Hard Reset (RFC 8538 §3.1) wraps. */
export function describeNotification(message: NotificationMessage): string {
  const { code, subcode, data } = message;
  let title = notificationName(code, subcode);
  const [innerCode, innerSubcode] = data;
  if (
    code === ErrorCode.cease &&
    subcode === CeaseSubcode.hardReset &&
    innerCode !== undefined &&
    innerSubcode !== undefined
  )
    title += ` (${notificationName(innerCode, innerSubcode)})`;
  const text = shutdownCommunication(message);
  return text === undefined ? title : `${title} "${text}"`;
}
