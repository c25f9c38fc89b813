/* A node of a large cluster: its start, and a change that concerns all its sessions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* How many routes each neighbour is to have from the tested node. */
static uint32_t wanted_each;

static bool all_have_what_they_should(void)
{
  static int first; /* stays at the first that differs */
  for (int k = 0; k < session_count; k++) {
    if (sessions[first].held_count != wanted_each) return false;
    first = (first + 1) % session_count;
  }
  return true;
}

/*
 * Each client dials the tested node, which has started a moment ago, and announces the blocks of the node that it is. The
 * tested node has the last blocks of the table. Says "ready" on standard error when everybody has them and all is quiet; then
 * each line "NAME none" or "NAME all" on standard input starts a phase: the answers are "armed", and "settled" after the last
 * neighbour has none, or all, of them.
 */
void run_cluster(void)
{
  table_blocks(options.nodes + 1, options.per_client);
  sessions_open(options.clients, "10.0.0.1", 179);
  struct stream *streams = allocate(options.clients * sizeof *streams);
  static const struct attribute_set plain;
  for (uint32_t k = 0; k < options.clients; k++) {
    struct session *client = session_add(client_address(k), local_as, CLIENT_RECEIVE_BUFFER);
    client->held = allocate(prefix_count);
    struct origin origin = { local_as, client->address, 0, true };
    encode_update(&streams[k], &plain, k * options.per_client, options.per_client, origin);
    encode_end_of_rib(&streams[k]);
  }
  wanted_each = options.per_client;
  result_begin("cluster");
  phase_begin();
  establish();
  for (int k = 0; k < session_count; k++) session_send(&sessions[k], &streams[k]);
  phase_end("start", run_until(all_have_what_they_should, 2, timeout_seconds));
  settle();
  result_number("start_settled_cpu_s", tested_cpu());
  result_number("start_peak_mib", tested_memory("VmHWM") / 1024.0);
  fprintf(stderr, "ready\n");
  char line[128], name[64], what[16];
  while (fgets(line, sizeof line, stdin) && sscanf(line, "%63s %15s", name, what) == 2) {
    wanted_each = strcmp(what, "none") == 0 ? 0 : options.per_client;
    phase_begin();
    fprintf(stderr, "armed\n");
    phase_end(name, run_until(all_have_what_they_should, 2, timeout_seconds));
    settle();
    fprintf(stderr, "settled\n");
  }
  result_number("all_peak_mib", tested_memory("VmHWM") / 1024.0);
  result_end();
}
