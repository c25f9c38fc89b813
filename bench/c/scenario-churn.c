/* A full table, and then a steady stream of changes to many receivers. */
#include <stdio.h>

#include "scenario.h"

/* AS numbers from here on stand first in the paths of the changes, and tell which change it is. */
#define FIRST_VERSION 3000000000u

static double *due;
static uint32_t change_count;

/* Latencies in buckets of 20 us up to 20 s. */
enum { BUCKET_US = 20, BUCKETS = 1000000 };
static uint32_t *buckets;
static uint64_t delivered;

static void version_came(const struct session *session, uint32_t version)
{
  (void)session;
  uint32_t index = version - FIRST_VERSION;
  if (index >= change_count) return;
  double bucket = (now() - due[index]) * 1e6 / BUCKET_US;
  buckets[bucket < BUCKETS ? (uint32_t)bucket : BUCKETS - 1]++;
  delivered++;
}

static double percentile_ms(double share)
{
  uint64_t wanted = delivered * share, seen = 0;
  for (uint32_t i = 0; i < BUCKETS; i++)
    if ((seen += buckets[i]) > wanted) return (i + 1) * (BUCKET_US / 1e3);
  return 0;
}

static bool receivers_are_full(void)
{
  for (int i = 0; i < session_count; i++)
    if (&sessions[i] != sender_a && sessions[i].announced < prefix_count) return false;
  return true;
}

static bool all_delivered(void) { return delivered == (uint64_t)change_count * (session_count - 1); }

/* Changes of different prefixes, spread over the table; `ends` receives where each of them ends. */
static struct stream encode_changes(size_t *ends)
{
  struct stream stream = { 0 };
  struct origin origin = { sender_a->as, sender_a->address, 0, false };
  for (uint32_t i = 0; i < change_count; i++) {
    struct attribute_set set = { .path_length = 1, .path = { FIRST_VERSION + i } };
    encode_update(&stream, &set, (uint64_t)i * 7919 % prefix_count, 1, origin);
    ends[i] = stream.length;
  }
  return stream;
}

/* Sends each change when its time has come, whatever has become of those before. */
static void send_changes(const struct stream *changes, const size_t *ends, double start)
{
  session_send(sender_a, changes);
  sender_a->send_length = 0;
  for (uint32_t next = 0; next < change_count;) {
    double time = now();
    uint32_t before = next;
    while (next < change_count && start + (double)next / options.rate <= time) next++;
    if (next > before) {
      sender_a->send_length = ends[next - 1];
      session_pump(sender_a);
    }
    turn(1);
  }
}

void run_churn(void)
{
  sessions_for_table(false, options.clients);
  for (uint32_t k = 1; k < options.clients; k++) session_add(client_address(k - 1), 65003, RECEIVE_BUFFER);
  struct stream table = stream_of(sender_a, 0);
  establish();
  settle();
  result_begin("churn");
  session_send(sender_a, &table);
  if (!run_until(receivers_are_full, 100, timeout_seconds)) die("the receivers did not get the table");
  settle();
  change_count = options.rate * options.seconds;
  due = allocate(change_count * sizeof *due);
  buckets = allocate(BUCKETS * sizeof *buckets);
  size_t *ends = allocate(change_count * sizeof *ends);
  struct stream changes = encode_changes(ends);
  on_third_as = version_came;
  phase_begin();
  double start = now();
  for (uint32_t i = 0; i < change_count; i++) due[i] = start + (double)i / options.rate;
  send_changes(&changes, ends, start);
  run_until(all_delivered, 1, 10);
  double seconds = phase_seconds();
  result_number("changes_cpu_share", phase_cpu() / seconds);
  phase_end("changes", true);
  result_number("changes_p50_ms", percentile_ms(0.5));
  result_number("changes_p99_ms", percentile_ms(0.99));
  result_number("changes_max_ms", percentile_ms(0.999999));
  /* A speaker may leave out a change that another one of the same prefix has overtaken. */
  result_number("changes_delivered_share", (double)delivered / change_count / (session_count - 1));
  result_number("changes_peak_mib", tested_memory("VmHWM") / 1024.0);
  result_end();
}
