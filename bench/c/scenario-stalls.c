/* How long a speaker with much to do attends to nothing else. */
#include <stdio.h>

#include "prober.h"
#include "scenario.h"

/* KEEPALIVEs are due every second then. */
enum { HOLD_TIME = 3 };

static struct session *newcomer;

static bool some_are_gone(void) { return sessions_up < session_count; }
static bool is_loaded(void) { return monitor_session->held_count == prefix_count || some_are_gone(); }
static bool has_joined(void) { return newcomer->held_count == prefix_count || newcomer->state == DOWN; }
static bool have_switched(void)
{
  return (monitor_session->held_by_path[2] == prefix_count && newcomer->held_by_path[2] == prefix_count) ||
         monitor_session->state != UP || newcomer->state != UP;
}
static bool are_empty(void)
{
  return (monitor_session->held_count == 0 && newcomer->held_count == 0) || monitor_session->state != UP ||
         newcomer->state != UP;
}

/* Waits for the condition and for what comes after it, and reports the longest wait meanwhile as NAME_stall_ms. */
static void report(const char *name, bool (*condition)(void))
{
  char key[64];
  bool reached = run_until(condition, 100, timeout_seconds);
  settle();
  snprintf(key, sizeof key, "%s_stall_ms", name);
  if (!reached || monitor_session->state != UP) fprintf(stderr, "%s: not finished\n", name);
  else result_number(key, prober_longest_ms());
}

static bool always(void) { return true; }

void run_stalls(void)
{
  offered_hold_time = HOLD_TIME;
  sessions_for_table(true, 1);
  struct stream better = stream_of(sender_a, 0), worse = stream_of(sender_b, 1), withdrawals = encode_withdrawals();
  establish();
  settle();
  prober_start();
  run_for(0.1);
  result_begin("stalls");
  prober_begin();
  report("rest", always);
  /* The first sender hears nothing but KEEPALIVEs: the routes are its own. */
  session_reset_counters(sender_a);
  prober_begin();
  session_send(sender_a, &better);
  report("load", is_loaded);
  prober_begin();
  session_send(sender_b, &worse);
  report("second", always);
  prober_begin();
  newcomer = session_add(client_address(0), 65003, RECEIVE_BUFFER);
  newcomer->held = allocate(prefix_count);
  report("join", has_joined);
  result_number("keepalive_gap_s", sender_a->longest_silence);
  prober_begin();
  session_cease(sender_a);
  report("switch", have_switched);
  prober_begin();
  session_send(sender_b, &withdrawals);
  report("withdraw", are_empty);
  result_number("all_peak_mib", tested_memory("VmHWM") / 1024.0);
  result_end();
}
