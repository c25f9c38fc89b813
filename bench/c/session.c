#define _GNU_SOURCE
#include "session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct session *sessions;
int session_count, sessions_up, connect_limit = 64;
uint64_t total_received;
uint32_t local_as = 65000;
const uint32_t sender_as[2] = { 65001, 65002 };
uint32_t watched_prefix = ~0u, watched_hits;
void (*on_third_as)(const struct session *, uint32_t as);
double timeout_seconds = 300;

/* Who gets no answer tries anew: the listen queue of a speaker may be shorter than what connects at once. */
static const double retry_seconds = 0.1, answer_seconds = 3;
uint16_t offered_hold_time = 240;
static struct sockaddr_in tested = { .sin_family = AF_INET };
static int poller = -1;
/* Until all are up at the same time, a session that is closed again just tries anew. */
static bool is_establishing = true;

void sessions_open(int capacity, const char *address, int port)
{
  if (inet_pton(AF_INET, address, &tested.sin_addr) != 1) die("%s is no IPv4 address", address);
  tested.sin_port = htons(port);
  sessions = allocate(capacity * sizeof *sessions);
}

void watch_source(struct source *source, int fd, uint32_t events)
{
  if (poller < 0) poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = { .events = events, .data.ptr = source };
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl: %s", strerror(errno));
}

static void want(struct session *session, uint32_t events)
{
  struct epoll_event event = { .events = events, .data.ptr = session };
  epoll_ctl(poller, EPOLL_CTL_MOD, session->fd, &event);
}

/* ---- Sending */

static bool is_sending(const struct session *session) { return session->send_offset < session->send_length; }

void session_close(struct session *session, enum session_state state)
{
  if (session->fd >= 0) close(session->fd);
  if (session->state == UP) sessions_up--;
  session->fd = -1;
  session->received_length = session->send_length = session->send_offset = 0;
  session->state = state;
  session->retry_at = now() + retry_seconds;
}

void session_send_message(struct session *session, const uint8_t *message, size_t length)
{
  if (is_sending(session)) return;
  if (write(session->fd, message, length) != (ssize_t)length) session_close(session, IDLE);
}

void session_pump(struct session *session)
{
  while (is_sending(session)) {
    size_t length = session->send_length - session->send_offset;
    ssize_t written = write(session->fd, session->to_send + session->send_offset, length > 1 << 18 ? 1 << 18 : length);
    if (written < 0 && errno == EAGAIN) {
      want(session, EPOLLIN | EPOLLOUT);
      return;
    }
    if (written < 0) {
      fprintf(stderr, "session %d: write: %s\n", session->index, strerror(errno));
      session_close(session, DOWN);
      return;
    }
    session->send_offset += written;
  }
  want(session, EPOLLIN);
}

void session_send(struct session *session, const struct stream *stream)
{
  session->to_send = stream->bytes;
  session->send_length = stream->length;
  session->send_offset = 0;
  want(session, EPOLLIN | EPOLLOUT);
}

void session_cease(struct session *session)
{
  uint8_t message[21] = { [19] = 6, [20] = 2 }; /* Cease, administrative shutdown */
  session_send_message(session, message, finish_message(message, message + 21, BGP_NOTIFICATION));
  session_close(session, DOWN);
}

static void send_keepalive(struct session *session)
{
  uint8_t message[19];
  session_send_message(session, message, finish_message(message, message + 19, BGP_KEEPALIVE));
}

static void send_open(struct session *session)
{
  uint8_t message[64], *at = message + 19;
  *at++ = 4;
  at = put16(at, session->as > 65535 ? 23456 : session->as);
  at = put32(put16(at, offered_hold_time), session->address);
  static const uint8_t capabilities[] = { 16, 2, 14, 1, 4, 0, 1, 0, 1, 2, 0, 65, 4 }; /* IPv4, refresh, 4-octet AS */
  memcpy(at, capabilities, sizeof capabilities);
  at = put32(at + sizeof capabilities, session->as);
  session_send_message(session, message, finish_message(message, at, BGP_OPEN));
}

static void send_end_of_rib(struct session *session)
{
  static struct stream stream;
  if (!stream.bytes) encode_end_of_rib(&stream);
  session_send_message(session, stream.bytes, stream.length);
}

/* ---- Receiving */

static inline uint32_t get32(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static const uint8_t *get_prefix(const uint8_t *at, const uint8_t *end, uint32_t *address, uint8_t *length)
{
  int octets = (*at + 7) / 8;
  if (*at > 32 || at + 1 + octets > end) die("the tested speaker sent a malformed prefix");
  *length = *at++;
  *address = 0;
  for (int i = 0; i < octets; i++) *address |= (uint32_t)at[i] << (24 - 8 * i);
  return at + octets;
}

/* Whose path it is: the AS number after the tested speaker's own. */
static uint8_t read_path(const struct session *session, const uint8_t *at, const uint8_t *end)
{
  while (at < end) {
    uint8_t flags = at[0], type = at[1];
    size_t length = flags & 0x10 ? at[2] << 8 | at[3] : at[2];
    at += flags & 0x10 ? 4 : 3;
    if (type == 2 && length >= 10) {
      if (on_third_as && length >= 14) on_third_as(session, get32(at + 10));
      for (int k = 0; k < 2; k++) if (get32(at + 6) == sender_as[k]) return 1 + k;
    }
    at += length;
  }
  return OTHER_PATH;
}

static void forget(struct session *session, int32_t index)
{
  if (index < 0 || !session->held || !session->held[index]) return;
  session->held_count--;
  session->held_by_path[session->held[index]]--;
  session->held[index] = 0;
}

static void learn(struct session *session, int32_t index, uint8_t path)
{
  if (index < 0) return;
  if ((uint32_t)index == watched_prefix) watched_hits++;
  if ((uint32_t)index - session->own_first < session->own_count) { session->echoed++; return; }
  if (!session->held) return;
  if (session->held[index]) session->held_by_path[session->held[index]]--;
  else session->held_count++;
  session->held[index] = path;
  session->held_by_path[path]++;
}

static void receive_update(struct session *session, const uint8_t *message, size_t length)
{
  const uint8_t *end = message + length, *withdrawn = message + 21;
  const uint8_t *withdrawn_end = withdrawn + (message[19] << 8 | message[20]);
  if (withdrawn_end + 2 > end) die("the tested speaker sent an UPDATE with a wrong length of withdrawn routes");
  const uint8_t *attributes = withdrawn_end + 2, *announced = attributes + (withdrawn_end[0] << 8 | withdrawn_end[1]);
  if (announced > end) die("the tested speaker sent an UPDATE with a wrong length of attributes");
  uint32_t address;
  uint8_t prefix_bits;
  while (withdrawn < withdrawn_end) {
    withdrawn = get_prefix(withdrawn, withdrawn_end, &address, &prefix_bits);
    session->withdrawn++;
    forget(session, table_find(address, prefix_bits));
  }
  if (announced == end) return;
  if (!session->first_update_at) session->first_update_at = now();
  uint8_t path = read_path(session, attributes, announced);
  while (announced < end) {
    announced = get_prefix(announced, end, &address, &prefix_bits);
    session->announced++;
    learn(session, table_find(address, prefix_bits), path);
  }
}

static void receive_message(struct session *session, const uint8_t *message, size_t length)
{
  switch (message[18]) {
  case BGP_OPEN:
    session->state = OPEN_CONFIRM;
    send_keepalive(session);
    break;
  case BGP_KEEPALIVE:
    if (session->state != OPEN_CONFIRM) break;
    session->state = UP;
    sessions_up++;
    send_end_of_rib(session);
    break;
  case BGP_NOTIFICATION:
    fprintf(stderr, "session %d: NOTIFICATION %d/%d\n", session->index, message[19], message[20]);
    session_close(session, IDLE);
    break;
  case BGP_UPDATE:
    session->updates++;
    receive_update(session, message, length);
    break;
  }
}

static void receive(struct session *session)
{
  ssize_t length = read(session->fd, session->received + session->received_length,
                        session->received_capacity - session->received_length);
  if (length < 0 && errno == EAGAIN) return;
  if (length <= 0) {
    bool is_lost = session->state == UP && !is_establishing;
    if (is_lost) fprintf(stderr, "session %d: closed by the tested speaker\n", session->index);
    session_close(session, is_lost ? DOWN : IDLE);
    return;
  }
  double time = now();
  if (session->heard_at > 0 && time - session->heard_at > session->longest_silence)
    session->longest_silence = time - session->heard_at;
  session->heard_at = time;
  session->octets += length;
  total_received += length;
  session->received_length += length;
  size_t offset = 0;
  while (session->received_length - offset >= 19) {
    const uint8_t *message = session->received + offset;
    size_t size = message[16] << 8 | message[17];
    if (size < 19 || size > MAX_MESSAGE) die("session %d: a message of %zu octets", session->index, size);
    if (session->received_length - offset < size) break;
    receive_message(session, message, size);
    if (session->fd < 0) return;
    offset += size;
  }
  memmove(session->received, session->received + offset, session->received_length - offset);
  session->received_length -= offset;
}

/* ---- Connections and the loop */

static void session_ready(struct source *source, uint32_t events)
{
  struct session *session = (struct session *)source;
  if (session->fd < 0) return;
  if (session->state == CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) { session_close(session, IDLE); return; }
    session->state = OPEN_SENT;
    want(session, EPOLLIN);
    send_open(session);
    return;
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(session);
  if (session->fd >= 0 && (events & EPOLLOUT)) session_pump(session);
}

struct session *session_add(uint32_t address, uint32_t as, size_t receive_buffer)
{
  struct session *session = &sessions[session_count];
  session->source.ready = session_ready;
  session->index = session_count++;
  session->fd = -1;
  session->address = address;
  session->as = as;
  session->received_capacity = receive_buffer;
  session->received = allocate(receive_buffer);
  return session;
}

void session_reset_counters(struct session *session)
{
  session->announced = session->withdrawn = session->updates = session->octets = session->echoed = 0;
  session->first_update_at = session->longest_silence = 0;
}

static void connect_session(struct session *session)
{
  session->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (session->fd < 0) die("socket: %s", strerror(errno));
  struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(session->address) };
  int on = 1;
  setsockopt(session->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(session->fd, (struct sockaddr *)&local, sizeof local) < 0) die("bind: %s", strerror(errno));
  session->state = CONNECTING;
  session->retry_at = now() + answer_seconds;
  if (connect(session->fd, (struct sockaddr *)&tested, sizeof tested) < 0 && errno != EINPROGRESS) {
    session_close(session, IDLE);
    return;
  }
  watch_source(&session->source, session->fd, EPOLLOUT);
}

void turn(int milliseconds)
{
  struct epoll_event events[128];
  int count = epoll_wait(poller, events, 128, milliseconds);
  for (int i = 0; i < count; i++) {
    struct source *source = events[i].data.ptr;
    source->ready(source, events[i].events);
  }
}

void housekeeping(void)
{
  static double kept_alive_at;
  double time = now();
  int pending = 0;
  for (int i = 0; i < session_count; i++) {
    struct session *session = &sessions[i];
    if ((session->state == CONNECTING || session->state == OPEN_SENT) && session->retry_at <= time)
      session_close(session, IDLE);
    pending += session->state == CONNECTING || session->state == OPEN_SENT || session->state == OPEN_CONFIRM;
  }
  for (int i = 0; i < session_count && pending < connect_limit; i++)
    if (sessions[i].state == IDLE && sessions[i].retry_at <= time) {
      connect_session(&sessions[i]);
      pending++;
    }
  if (time - kept_alive_at < offered_hold_time / 12.0) return;
  kept_alive_at = time;
  for (int i = 0; i < session_count; i++)
    if (sessions[i].state == UP) send_keepalive(&sessions[i]);
}

bool run_until(bool (*condition)(void), int tick_ms, double limit_seconds)
{
  double end = now() + limit_seconds, next = 0;
  if (poller < 0) poller = epoll_create1(EPOLL_CLOEXEC);
  while (!condition()) {
    double time = now();
    if (time > end) return false;
    if (time >= next) {
      housekeeping();
      next = now() + 0.005;
    }
    turn(tick_ms);
  }
  return true;
}

void run_for(double seconds)
{
  for (double end = now() + seconds; now() < end;) turn(10);
}

static bool all_up(void) { return sessions_up == session_count; }

double establish(void)
{
  double start = now();
  if (!run_until(all_up, 2, timeout_seconds)) die("only %d of %d sessions came up", sessions_up, session_count);
  is_establishing = false;
  return now() - start;
}
