import koffi from "koffi";
import { hostIsLittleEndian } from "./byte-order.ts";
import { SyscallError } from "./errors.ts";

export { SyscallError };

/** The symbols that the process has loaded already: glibc or musl, whichever node runs on. */
const libc = koffi.load(null);
const { EINTR, EWOULDBLOCK } = koffi.os.errno;
const POINTER_BYTES = koffi.sizeof("void *");

/** ssize_t and size_t are spelt as the integers they are: koffi does not know the first. */
const native = {
  flock: libc.func("int flock(int fd, int operation)"),
  eventfd: libc.func("int eventfd(unsigned int initial, int flags)"),
  memfd_create: libc.func("int memfd_create(const char *name, unsigned int flags)"),
  poll: libc.func("int poll(uint8_t *fds, unsigned long count, int timeout)"),
  socket: libc.func("int socket(int domain, int type, int protocol)"),
  bind: libc.func("int bind(int fd, uint8_t *address, uint32_t length)"),
  inet_pton: libc.func("int inet_pton(int family, const char *text, uint8_t *octets)"),
  connect: libc.func("int connect(int fd, uint8_t *address, uint32_t length)"),
  setsockopt: libc.func("int setsockopt(int fd, int level, int name, uint8_t *value, uint32_t length)"),
  getsockopt: libc.func("int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)"),
  getsockname: libc.func("int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *length)"),
  listen: libc.func("int listen(int fd, int backlog)"),
  if_nametoindex: libc.func("unsigned int if_nametoindex(const char *name)"),
  if_indextoname: libc.func("void *if_indextoname(unsigned int index, uint8_t *name)"),
  send: libc.func("intptr_t send(int fd, uint8_t *bytes, uintptr_t length, int flags)"),
  recv: libc.func("intptr_t recv(int fd, uint8_t *bytes, uintptr_t length, int flags)"),
  ioctl: libc.func("int ioctl(int fd, unsigned long request, uint8_t *argument)"),
  ioctlValue: libc.func("ioctl", "int", ["int", "unsigned long", "unsigned long"]),
  setns: libc.func("int setns(int fd, int type)"),
  unshare: libc.func("int unshare(int flags)"),
  mount: libc.func(
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, void *data)",
  ),
  umount2: libc.func("int umount2(const char *target, int flags)"),
};

/**
 * Makes a call until no signal interrupts it, and returns its result; throws SyscallError with `subject` if it is -1 for
 * any other reason. koffi keeps errno from the call to here, since nothing runs in between.
 */
function check(syscall: string, subject: string | undefined, call: () => unknown): number {
  for (;;) {
    const result = Number(call());
    if (result !== -1) return result;
    const errno = koffi.errno();
    if (errno !== EINTR) throw new SyscallError(syscall, errno, subject);
  }
}

const FLOCK = { shared: 1, exclusive: 2, unlock: 8 } as const;
const LOCK_NB = 4;

/**
 * flock(2) on an open file. False if `nonBlocking` and somebody else holds the lock; true once it is taken or given up.
 * A blocking call blocks the whole thread. Throws SyscallError.
 */
export function flock(fd: number, operation: "exclusive" | "shared" | "unlock", nonBlocking: boolean): boolean {
  const flags = FLOCK[operation] | (nonBlocking ? LOCK_NB : 0);
  return unlessItWouldBlock(() => check("flock", `file descriptor ${fd}`, () => native.flock(fd, flags))) !== undefined;
}

function unlessItWouldBlock(call: () => number): number | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof SyscallError && error.errno === EWOULDBLOCK) return undefined;
    throw error;
  }
}

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/**
 * A non-blocking event counter (eventfd(2)) that wakes a thread out of `poll`: add to it by writing 8 octets with
 * fs.writeSync, clear it by reading 8. The caller closes it. Throws SyscallError.
 */
export function createEventFd(): number {
  return check("eventfd", undefined, () => native.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

const MFD_CLOEXEC = 1;

/** A file in memory (memfd_create(2)) that is gone when nobody has it open. The caller closes it. Throws SyscallError. */
export function createMemoryFile(name: string): number {
  return check("memfd_create", name, () => native.memfd_create(name, MFD_CLOEXEC));
}

const POLLIN = 1;
const POLLNVAL = 0x20;
/** struct pollfd: int fd, short events, short revents. */
const POLLFD_BYTES = 8;

/**
 * Blocks the thread until one of the descriptors has something to read (or an error to fetch) or `timeoutMs` have passed
 * (-1 waits for ever). Returns for each whether it has. Throws SyscallError, also with EBADF for a closed descriptor.
 */
export function pollReadable(fds: readonly number[], timeoutMs: number): boolean[] {
  const bytes = new Uint8Array(fds.length * POLLFD_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, fd] of fds.entries()) {
    view.setInt32(index * POLLFD_BYTES, fd, hostIsLittleEndian);
    view.setInt16(index * POLLFD_BYTES + 4, POLLIN, hostIsLittleEndian);
  }
  check("poll", undefined, () => native.poll(bytes, fds.length, timeoutMs));
  return fds.map((fd, index) => {
    const happened = view.getInt16(index * POLLFD_BYTES + 6, hostIsLittleEndian);
    if ((happened & POLLNVAL) !== 0) throw new SyscallError("poll", koffi.os.errno.EBADF ?? 9, `file descriptor ${fd}`);
    return happened !== 0;
  });
}

const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

/** A non-blocking socket that children do not inherit. The caller closes it with fs.closeSync. Throws SyscallError. */
export function createSocket(domain: number, type: number, protocol: number): number {
  return check("socket", undefined, () => native.socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

/** bind(2); `address` is the bytes of the family's sockaddr. Throws SyscallError. */
export function bindSocket(fd: number, address: Uint8Array): void {
  check("bind", `file descriptor ${fd}`, () => native.bind(fd, address, address.length));
}

/** listen(2). Throws SyscallError. */
export function listenOnSocket(fd: number, backlog: number): void {
  check("listen", `file descriptor ${fd}`, () => native.listen(fd, backlog));
}

/** connect(2); `address` is the bytes of the family's sockaddr. Throws SyscallError. */
export function connectSocket(fd: number, address: Uint8Array): void {
  check("connect", `file descriptor ${fd}`, () => native.connect(fd, address, address.length));
}

/** getsockname(2): the first `octets` octets of the socket's own sockaddr. Throws SyscallError. */
export function socketName(fd: number, octets: number): Uint8Array {
  const address = new Uint8Array(octets);
  check("getsockname", `file descriptor ${fd}`, () => native.getsockname(fd, address, [octets]));
  return address;
}

const AF_INET = 2;
/** Longest binary form of an address: struct in6_addr. */
const ADDRESS_BYTES = 16;
const IPV4_ADDRESS_BYTES = 4;

/** inet_pton(3): the octets of an address of this family (AF_INET or AF_INET6). Throws a TypeError for any other text. */
export function parseAddress(family: number, text: string): Uint8Array {
  const octets = new Uint8Array(ADDRESS_BYTES);
  if (native.inet_pton(family, text, octets) !== 1) throw new TypeError(`"${text}" is no address of family ${family}`);
  return family === AF_INET ? octets.subarray(0, IPV4_ADDRESS_BYTES) : octets;
}

/** setsockopt(2) with the option's value as bytes. Throws SyscallError. */
export function setSocketOption(fd: number, level: number, option: number, value: Uint8Array): void {
  const subject = `option ${level}/${option} of file descriptor ${fd}`;
  check("setsockopt", subject, () => native.setsockopt(fd, level, option, value, value.length));
}

/**
 * setsockopt(2) of an option whose value is a struct of a 16-bit count and a pointer to `elements`, such as sock_fprog. Throws
 * SyscallError.
 */
export function setSocketOptionArray(
  fd: number,
  level: number,
  option: number,
  count: number,
  elements: Uint8Array,
): void {
  const value = new Uint8Array(2 * POINTER_BYTES);
  const view = new DataView(value.buffer);
  view.setUint16(0, count, hostIsLittleEndian);
  const pointer = BigInt(koffi.address(elements));
  if (POINTER_BYTES === 8) view.setBigUint64(POINTER_BYTES, pointer, hostIsLittleEndian);
  else view.setUint32(POINTER_BYTES, Number(pointer), hostIsLittleEndian);
  setSocketOption(fd, level, option, value);
}

/** getsockopt(2) of an option that is an int. Throws SyscallError. */
export function getSocketOption(fd: number, level: number, option: number): number {
  const value = new Uint8Array(4);
  const subject = `option ${level}/${option} of file descriptor ${fd}`;
  check("getsockopt", subject, () => native.getsockopt(fd, level, option, value, [value.length]));
  return new DataView(value.buffer).getInt32(0, hostIsLittleEndian);
}

/** send(2) without flags; returns how many octets were taken. Throws SyscallError (EAGAIN if it would block). */
export function sendBytes(fd: number, bytes: Uint8Array): number {
  return check("send", `file descriptor ${fd}`, () => native.send(fd, bytes, bytes.length, 0));
}

/** Makes recv(2) return the real length of a datagram that did not fit. */
const MSG_TRUNC = 0x20;

/**
 * Receives one datagram into `buffer`. Returns its real length, which exceeds the buffer's if it was cut, or undefined if
 * there is none. Throws SyscallError.
 */
export function receiveDatagram(fd: number, buffer: Uint8Array): number | undefined {
  return unlessItWouldBlock(() =>
    check("recv", `file descriptor ${fd}`, () => native.recv(fd, buffer, buffer.length, MSG_TRUNC)),
  );
}

const IFNAMSIZ = 16;
/** struct ifreq: the name, and a union whose largest member fills it up to this. */
const IFREQ_BYTES = 40;

/**
 * ioctl(2) about a network device whose `ifr_data` points to `data`, which the kernel reads and may write. The socket's
 * namespace is the device's. Throws SyscallError.
 */
export function interfaceIoctl(fd: number, request: number, device: string, data: Uint8Array): void {
  const argument = new Uint8Array(IFREQ_BYTES);
  argument.set(Buffer.from(device).subarray(0, IFNAMSIZ - 1));
  const pointer = BigInt(koffi.address(data));
  if (POINTER_BYTES === 8) new DataView(argument.buffer).setBigUint64(IFNAMSIZ, pointer, hostIsLittleEndian);
  else new DataView(argument.buffer).setUint32(IFNAMSIZ, Number(pointer), hostIsLittleEndian);
  check("ioctl", `0x${request.toString(16)} of device ${device}`, () => native.ioctl(fd, request, argument));
}

/** if_nametoindex(3). Throws SyscallError if there is no such device. */
export function interfaceIndex(name: string): number {
  return check("if_nametoindex", name, () => native.if_nametoindex(name) || -1);
}

/** if_indextoname(3); the number itself if the device is gone. */
export function interfaceName(index: number): string {
  const name = new Uint8Array(IFNAMSIZ);
  if (native.if_indextoname(index, name) === null) return String(index);
  return Buffer.from(name.subarray(0, name.indexOf(0))).toString();
}

/** TUNSETIFF and TUNSETPERSIST (linux/if_tun.h), and what the device shall be like. */
const SET_TUN = 0x400454ca;
const SET_TUN_PERSISTENT = 0x400454cb;
const SET_TUN_OFFLOAD = 0x400454d0;
const OFFLOAD_CHECKSUM = 0x01;
const OFFLOAD_TCP4_SEGMENTATION = 0x02;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

/**
 * Makes an open /dev/net/tun the other end of the TUN device of this name, which is made if there is none and outlives the
 * descriptor. Each packet has a struct virtio_net_hdr before it, which may leave it to us to complete its checksum and to cut TCP
 * of up to 64 KiB into segments. Throws SyscallError: EBUSY if somebody else has the device
 * open, EINVAL if the name belongs to a device of another kind.
 */
export function attachTun(fd: number, device: string): void {
  const argument = new Uint8Array(IFREQ_BYTES);
  argument.set(Buffer.from(device).subarray(0, IFNAMSIZ - 1));
  new DataView(argument.buffer).setUint16(IFNAMSIZ, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, hostIsLittleEndian);
  check("ioctl", `TUNSETIFF of device ${device}`, () => native.ioctl(fd, SET_TUN, argument));
  const offload = OFFLOAD_CHECKSUM | OFFLOAD_TCP4_SEGMENTATION;
  check("ioctl", `TUNSETOFFLOAD of device ${device}`, () => native.ioctlValue(fd, SET_TUN_OFFLOAD, offload));
  check("ioctl", `TUNSETPERSIST of device ${device}`, () => native.ioctlValue(fd, SET_TUN_PERSISTENT, 1));
}

const CLONE_NEWNET = 0x40000000;

/** Moves the calling thread, and no other, into the network namespace of an open namespace file. Throws SyscallError. */
export function setNetworkNamespace(fd: number): void {
  check("setns", `file descriptor ${fd}`, () => native.setns(fd, CLONE_NEWNET));
}

/** Moves the calling thread, and no other, into a new network namespace. Throws SyscallError. */
export function unshareNetworkNamespace(): void {
  check("unshare", "network namespace", () => native.unshare(CLONE_NEWNET));
}

const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 0x100000;
const MNT_DETACH = 2;

/** Makes `source` appear at `target` too, with the mounts below it if `recursive`. Throws SyscallError. */
export function bindMount(source: string, target: string, recursive: boolean): void {
  const flags = MS_BIND | (recursive ? MS_REC : 0);
  check("mount", `${source} on ${target}`, () => native.mount(source, target, "none", flags, null));
}

/** Lets mounts below `target` reach the copies of it in other mount namespaces. EINVAL if it is no mount point. */
export function makeMountShared(target: string): void {
  check("mount", `${target} as shared`, () => native.mount("", target, "none", MS_SHARED | MS_REC, null));
}

/** Takes a mount out of sight now and ends it when nobody uses it. EINVAL if it is no mount point. */
export function detachMount(target: string): void {
  check("umount2", target, () => native.umount2(target, MNT_DETACH));
}
