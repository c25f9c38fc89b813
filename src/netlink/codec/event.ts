import type { NetlinkEvent } from "../types.ts";
import { decodeAddress } from "./address.ts";
import { messageFlag, messageType } from "./constants.ts";
import { decodeLink } from "./link-decoder.ts";
import type { ReceivedMessage } from "./message.ts";
import { decodeNeighbourEvent } from "./neighbour.ts";
import { decodeRoute } from "./route-decoder.ts";

/** What a multicast message tells; undefined for what concerns nobody here. Throws `MALFORMED_MESSAGE`. */
export function decodeEvent({ type, flags, payload }: ReceivedMessage): NetlinkEvent | undefined {
  switch (type) {
    case messageType.newRoute:
    case messageType.deleteRoute: {
      const route = decodeRoute(payload);
      if (route === undefined) return undefined;
      if (type === messageType.deleteRoute) return { type: "route", action: "delete", route };
      const replaced = (flags & messageFlag.replace) !== 0;
      return { type: "route", action: "new", route, ...(replaced ? { replaced } : undefined) };
    }
    case messageType.newLink:
    case messageType.deleteLink: {
      const link = decodeLink(payload);
      return link && { type: "link", action: type === messageType.newLink ? "new" : "delete", link };
    }
    case messageType.newAddress:
    case messageType.deleteAddress: {
      const address = decodeAddress(payload);
      return address && { type: "address", action: type === messageType.newAddress ? "new" : "delete", address };
    }
    case messageType.newNeighbour:
    case messageType.deleteNeighbour: {
      const action = type === messageType.newNeighbour ? "new" : "delete";
      const told = decodeNeighbourEvent(payload);
      return told && { ...told, action };
    }
    default:
      return undefined;
  }
}
