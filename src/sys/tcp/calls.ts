import koffi from "koffi";

const libc = koffi.load(null);
const native = {
  accept4: libc.func("int accept4(int fd, uint8_t *address, uint8_t *length, int flags)"),
  send: libc.func("intptr_t send(int fd, uint8_t *octets, uintptr_t length, int flags)"),
  recv: libc.func("intptr_t recv(int fd, uint8_t *octets, uintptr_t length, int flags)"),
  shutdown: libc.func("int shutdown(int fd, int how)"),
  epoll_create1: libc.func("int epoll_create1(int flags)"),
  epoll_ctl: libc.func("int epoll_ctl(int epoll, int operation, int fd, uint8_t *event)"),
  epoll_wait: libc.func("int epoll_wait(int epoll, uint8_t *events, int most, int timeout)"),
};
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;

/*
 * The calls of a busy event loop: they return what the system call does, or the negative errno, as the kernel itself; nothing is
 * thrown or made. None of them sleeps, so no signal interrupts one.
 */

/** koffi keeps errno from the call to here, since nothing runs in between. */
function result(value: unknown): number {
  const returned = Number(value);
  return returned >= 0 ? returned : -koffi.errno();
}

/** A new connection's descriptor, non-blocking; `address` is filled with the peer's, `length` says how long it may be, as an int. */
export function acceptSocket(fd: number, address: Uint8Array, length: Uint8Array): number {
  return result(native.accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/** How many octets the kernel has taken. */
export function sendOctets(fd: number, octets: Uint8Array): number {
  return result(native.send(fd, octets, octets.length, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/** How many octets came; 0 is the end. */
export function receiveOctets(fd: number, buffer: Uint8Array): number {
  return result(native.recv(fd, buffer, buffer.length, MSG_DONTWAIT));
}

/** Closes the sending side. */
export function shutDownSending(fd: number): number {
  return result(native.shutdown(fd, SHUT_WR));
}

export function createEpoll(): number {
  return result(native.epoll_create1(EPOLL_CLOEXEC));
}

/** `event` is a struct epoll_event. */
export function addToEpoll(epoll: number, fd: number, event: Uint8Array): number {
  return result(native.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event));
}

/** How many events there are right now, of which as many as there is room for are written. */
export function lookAtEpoll(epoll: number, events: Uint8Array, most: number): number {
  return result(native.epoll_wait(epoll, events, most, 0));
}

/**
 * Waits for events in a thread of libuv's pool, so that the event loop can sleep, and then tells their number: 0 if nothing came
 * of it. `events` belongs to the kernel until then.
 */
export function waitForEpoll(epoll: number, events: Uint8Array, most: number, tell: (count: number) => void): void {
  native.epoll_wait.async(epoll, events, most, -1, (error: unknown, count: unknown) =>
    tell(error === null ? Math.max(0, Number(count)) : 0),
  );
}
