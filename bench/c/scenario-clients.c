/* Many neighbours with few routes each. */
#include <stdlib.h>

#include "scenario.h"

enum { LATENCY_SAMPLES = 15 };

static uint32_t wanted_each;

static bool clients_have_all(void)
{
  static int first; /* stays at the first that lacks something */
  for (int k = 0; k < session_count; k++) {
    if (sessions[first].held_count < wanted_each) return false;
    first = (first + 1) % session_count;
  }
  return true;
}

static bool others_have_watched(void) { return watched_hits >= (uint32_t)session_count - 1; }

static bool leaver_is_forgotten(void)
{
  for (int k = 1; k < session_count; k++)
    if (sessions[k].held_count > wanted_each - options.per_client) return false;
  return true;
}

/* Each client with its blocks and the message that announces them. */
static struct stream *add_clients(uint32_t as, bool with_memory)
{
  struct stream *streams = allocate(options.clients * sizeof *streams);
  static const struct attribute_set plain;
  for (uint32_t k = 0; k < options.clients; k++) {
    struct session *client = session_add(client_address(k), as, CLIENT_RECEIVE_BUFFER);
    client->own_first = k * options.per_client;
    client->own_count = options.per_client;
    if (with_memory) client->held = allocate(prefix_count);
    struct origin origin = { as, client->address, 0, true };
    encode_update(&streams[k], &plain, client->own_first, client->own_count, origin);
  }
  return streams;
}

static int ascending(const void *left, const void *right)
{
  double difference = *(const double *)left - *(const double *)right;
  return (difference > 0) - (difference < 0);
}

/* One client changes one route: until all others have it; several times. */
static void measure_one_route(struct session *client)
{
  double samples[LATENCY_SAMPLES];
  struct origin origin = { client->as, client->address, 0, true };
  watched_prefix = client->own_first;
  for (int k = 0; k < LATENCY_SAMPLES; k++) {
    struct stream stream = { 0 };
    struct attribute_set set = { .has_med = true, .med = 10 + k };
    encode_update(&stream, &set, watched_prefix, 1, origin);
    watched_hits = 0;
    double start = now();
    session_send(client, &stream);
    if (!run_until(others_have_watched, 100, 20)) die("one route did not reach all clients");
    samples[k] = now() - start;
    run_for(0.1);
    free(stream.bytes);
  }
  watched_prefix = ~0u;
  qsort(samples, LATENCY_SAMPLES, sizeof *samples, ascending);
  result_number("one_route_ms", samples[LATENCY_SAMPLES / 2] * 1000);
}

void run_reflector(void)
{
  table_blocks(options.clients, options.per_client);
  sessions_open(options.clients, "10.0.0.1", 179);
  struct stream *streams = add_clients(local_as, true);
  wanted_each = (options.clients - 1) * options.per_client;
  result_begin("reflector");
  result_number("connect_s", establish());
  settle();
  phase_begin();
  for (int k = 0; k < session_count; k++) session_send(&sessions[k], &streams[k]);
  bool reached = run_until(clients_have_all, 100, timeout_seconds);
  phase_end("all_to_all", reached);
  settle();
  result_number("all_to_all_settled_cpu_s", phase_cpu());
  result_number("all_to_all_peak_mib", tested_memory("VmHWM") / 1024.0);
  if (reached && !options.announce_only) {
    measure_one_route(&sessions[session_count / 2]);
    settle();
    phase_begin();
    session_cease(&sessions[0]);
    phase_end("leave", run_until(leaver_is_forgotten, 100, 60));
  }
  result_end();
}

void run_mesh_node(void)
{
  table_blocks(options.clients, options.per_client);
  sessions_open(options.clients + 1, "10.0.0.1", 179);
  struct stream *streams = add_clients(local_as, false);
  monitor_session = session_add(MONITOR_ADDRESS, 65003, RECEIVE_BUFFER);
  monitor_session->held = allocate(prefix_count);
  result_begin("mesh-node");
  result_number("connect_s", establish());
  settle();
  phase_begin();
  for (uint32_t k = 0; k < options.clients; k++) session_send(&sessions[k], &streams[k]);
  run_until(monitor_is_full, 100, timeout_seconds);
  phase_end("learn", monitor_session->held_count == prefix_count);
  settle();
  result_number("learn_settled_cpu_s", phase_cpu());
  result_number("learn_peak_mib", tested_memory("VmHWM") / 1024.0);
  result_end();
}

void run_connect(void)
{
  table_open(1);
  sessions_open(options.clients, "10.0.0.1", 179);
  for (uint32_t k = 0; k < options.clients; k++) session_add(client_address(k), local_as, CLIENT_RECEIVE_BUFFER);
  connect_limit = options.clients;
  result_begin("connect");
  phase_begin();
  establish();
  phase_end("connect", true);
  result_number("connect_peak_mib", tested_memory("VmHWM") / 1024.0);
  result_end();
}
