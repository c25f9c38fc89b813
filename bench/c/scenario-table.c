/* Whole tables from few neighbours. */
#include <stdlib.h>

#include "scenario.h"

struct session *sender_a, *sender_b, *monitor_session;

void sessions_for_table(bool second_sender, uint32_t more_sessions)
{
  table_generate(options.prefixes);
  sessions_open(3 + more_sessions, "10.0.0.1", 179);
  sender_a = session_add(SENDER_A_ADDRESS, sender_as[0], RECEIVE_BUFFER);
  if (second_sender) sender_b = session_add(SENDER_B_ADDRESS, sender_as[1], RECEIVE_BUFFER);
  monitor_session = session_add(MONITOR_ADDRESS, 65003, RECEIVE_BUFFER);
  monitor_session->held = allocate(prefix_count);
}

struct stream stream_of(const struct session *sender, int prepend)
{
  struct origin origin = { sender->as, sender->address, prepend, false };
  return encode_table(origin, options.single);
}

bool monitor_is_full(void) { return monitor_session->held_count == prefix_count || monitor_session->state != UP; }
static bool monitor_is_empty(void) { return monitor_session->held_count == 0 || monitor_session->state != UP; }
static bool monitor_has_b(void) { return monitor_session->held_by_path[2] == prefix_count || monitor_session->state != UP; }

void run_full_table(void)
{
  sessions_for_table(false, 0);
  struct stream table = stream_of(sender_a, 0), withdrawals = encode_withdrawals();
  establish();
  settle();
  result_begin("full-table");
  phase_begin();
  session_send(sender_a, &table);
  run_until(monitor_is_full, 100, timeout_seconds);
  bool reached = monitor_session->held_count == prefix_count;
  phase_end("announce", reached);
  settle();
  result_number("announce_settled_cpu_s", phase_cpu());
  result_number("announce_peak_mib", tested_memory("VmHWM") / 1024.0);
  if (reached && !options.announce_only) {
    phase_begin();
    session_send(sender_a, &withdrawals);
    run_until(monitor_is_empty, 100, timeout_seconds);
    phase_end("withdraw", monitor_session->held_count == 0);
  }
  result_end();
}

void run_switch_over(void)
{
  sessions_for_table(true, 0);
  struct stream better = stream_of(sender_a, 0), worse = stream_of(sender_b, 1);
  establish();
  settle();
  result_begin("switch-over");
  session_send(sender_a, &better);
  bool reached = run_until(monitor_is_full, 100, timeout_seconds);
  settle();
  /* Worse everywhere, so nothing is announced again. */
  session_send(sender_b, &worse);
  settle();
  phase_begin();
  session_cease(sender_a);
  run_until(monitor_has_b, 100, timeout_seconds);
  phase_end("switch", reached && monitor_session->held_by_path[2] == prefix_count);
  result_number("switch_peak_mib", tested_memory("VmHWM") / 1024.0);
  result_end();
}

void run_memory(void)
{
  table_generate(options.prefixes);
  sessions_open(options.senders, "10.0.0.1", 179);
  for (uint32_t k = 0; k < options.senders; k++) session_add(client_address(k), 65101 + k, RECEIVE_BUFFER);
  establish();
  settle();
  double before = tested_memory("VmRSS");
  result_begin("memory");
  phase_begin();
  for (uint32_t k = 0; k < options.senders; k++) {
    /* The first is the best for good. */
    struct stream table = stream_of(&sessions[k], k > 0);
    session_send(&sessions[k], &table);
    settle();
    free(table.bytes);
  }
  double after = tested_memory("VmRSS");
  result_number("load_cpu_s", phase_cpu());
  result_number("load_prefix_octets", (after - before) * 1024 / prefix_count);
  result_number("load_rss_mib", after / 1024);
  result_number("load_peak_mib", tested_memory("VmHWM") / 1024.0);
  result_end();
}
