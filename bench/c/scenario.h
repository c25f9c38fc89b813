/* One function per scenario; each prints one JSON object. */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include "gauges.h"
#include "session.h"

struct options {
  uint32_t prefixes, nodes, clients, per_client, senders, rate, seconds;
  /* One prefix per UPDATE. */
  bool single;
  /* Only announcements: a relay knows no withdrawals. */
  bool announce_only;
  /* No BGP: the tested process writes routes when it gets SIGUSR1. */
  bool writer;
  const char *namespace;
};

extern struct options options;

#define RECEIVE_BUFFER (1 << 20)
#define CLIENT_RECEIVE_BUFFER (1 << 17)

/* The common case: sender A, and if wanted B, and a monitor that remembers what it has. */
extern struct session *sender_a, *sender_b, *monitor_session;
void sessions_for_table(bool second_sender, uint32_t more_sessions);
/* The table as sender A or B announces it. */
struct stream stream_of(const struct session *sender, int prepend);
bool monitor_is_full(void);

void run_full_table(void);
void run_switch_over(void);
void run_memory(void);
void run_stalls(void);
void run_churn(void);
void run_reflector(void);
void run_mesh_node(void);
void run_connect(void);
void run_to_kernel(void);
void run_mode_flip(void);
void run_cluster(void);

#endif
