/**
 * For a channel between processes that clones everything but instances of classes.
 * @param {Record<string, { type: Function, write(value: object): string, read(text: string): object }>} classes
 */
export function packer(classes) {
  const each = (value, change) => {
    if (Array.isArray(value)) return value.map(change);
    if (value instanceof Map) return new Map([...value].map(([key, entry]) => [change(key), change(entry)]));
    if (ArrayBuffer.isView(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, change(entry)]));
  };
  const pack = (value) => {
    if (typeof value !== "object" || value === null) return value;
    const found = Object.entries(classes).find(([, { type }]) => value instanceof type);
    return found === undefined ? each(value, pack) : { packedAs: found[0], text: found[1].write(value) };
  };
  const unpack = (value) => {
    if (typeof value !== "object" || value === null) return value;
    return value.packedAs === undefined ? each(value, unpack) : classes[value.packedAs].read(value.text);
  };
  return { pack, unpack };
}

/** The classes of a speaker's interface; each side of the channel has its own copies. */
export function speakerClasses(IpAddress, Prefix, Secret) {
  return {
    address: { type: IpAddress, write: String, read: (text) => IpAddress.parse(text) },
    prefix: { type: Prefix, write: String, read: (text) => Prefix.parse(text) },
    secret: { type: Secret, write: (secret) => secret.reveal(), read: (text) => new Secret(text) },
  };
}
