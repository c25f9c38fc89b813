interface PackedClass {
  readonly type: abstract new (...parameters: never[]) => object;
  write(value: never): string;
  read(text: string): object;
}

/** Both directions of a channel between processes; `unpack(pack(value))` equals `value`. */
export function packer(classes: Readonly<Record<string, PackedClass>>): {
  pack(value: unknown): unknown;
  unpack(value: unknown): unknown;
};

/** The classes of a speaker's interface; each side of the channel has its own copies. */
export function speakerClasses(
  IpAddress: { parse(text: string): object },
  Prefix: { parse(text: string): object },
  Secret: new (text: string) => { reveal(): string },
): Readonly<Record<string, PackedClass>>;
