/* All neighbours of the tested speaker, in one thread on one epoll instance. */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include "encode.h"

enum session_state { IDLE, CONNECTING, OPEN_SENT, OPEN_CONFIRM, UP, DOWN };

/* Something that epoll watches. */
struct source { void (*ready)(struct source *, uint32_t events); };

struct session {
  struct source source; /* first, so that a source is a session */
  int fd, index;
  enum session_state state;
  uint32_t address, as;
  double retry_at; /* in IDLE: when to connect; while connecting: when to give up */
  uint8_t *received;
  size_t received_length, received_capacity;
  const uint8_t *to_send;
  size_t send_length, send_offset;
  /* Per prefix of the table: 0 absent, else 1 + number of the sender whose path it is, or OTHER_PATH. Optional. */
  uint8_t *held;
  uint32_t held_count, held_by_path[10];
  uint64_t announced, withdrawn, updates, octets, echoed;
  double first_update_at;
  /* When octets came last, and the longest time without any since the counters were reset. */
  double heard_at, longest_silence;
  /* Prefixes that this session announces itself. */
  uint32_t own_first, own_count;
};

enum { OTHER_PATH = 9 };

extern struct session *sessions;
extern int session_count, sessions_up;
extern uint64_t total_received;
extern uint32_t local_as;
/* AS numbers of the senders whose paths are told apart, in this order. */
extern const uint32_t sender_as[2];
/* Counts announcements of one prefix, over all sessions. */
extern uint32_t watched_prefix, watched_hits;
/* Set for the churn: hears of the third AS number of each path that comes in. */
extern void (*on_third_as)(const struct session *, uint32_t as);
/* How many sessions connect at the same time. */
extern int connect_limit;
extern double timeout_seconds;
/* Seconds; a twelfth of it is between our own KEEPALIVEs. To be set before sessions come up. */
extern uint16_t offered_hold_time;

void sessions_open(int capacity, const char *address, int port);
struct session *session_add(uint32_t address, uint32_t as, size_t receive_buffer);
void session_close(struct session *, enum session_state);
/* Sends the stream from its beginning; it must stay until all of it is sent. */
void session_send(struct session *, const struct stream *);
/* Sends as much as the socket takes. */
void session_pump(struct session *);
/* A short message, or nothing in the middle of a stream. */
void session_send_message(struct session *, const uint8_t *message, size_t length);
/* Cease, and closed for good. */
void session_cease(struct session *);
/* Forgets what has been received so far. */
void session_reset_counters(struct session *);

void watch_source(struct source *, int fd, uint32_t events);
/* Waits for something to happen and deals with it. */
void turn(int milliseconds);
/* Connects what is to be connected, and keeps sessions alive. */
void housekeeping(void);
/* False if the condition does not become true in time. */
bool run_until(bool (*condition)(void), int tick_ms, double limit_seconds);
void run_for(double seconds);
/* Resolves when all sessions are up; returns the seconds that it took. */
double establish(void);

#endif
