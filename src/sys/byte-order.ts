/** Byte order of the structures that the kernel of this machine reads and writes. */
export const hostIsLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
