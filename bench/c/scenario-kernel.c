/* From BGP into the kernel's table. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fib-monitor.h"
#include "scenario.h"

static bool all_match(void) { return fib_matching == prefix_count; }
static bool none_match(void) { return fib_matching == 0; }

/* The next step of the table: as UPDATEs, or the writer does it by itself. */
static void start_step(const struct stream *stream)
{
  phase_begin();
  if (options.writer) tested_signal(SIGUSR1);
  else session_send(sender_a, stream);
}

void run_to_kernel(void)
{
  struct stream table = { 0 }, changed = { 0 }, withdrawals = { 0 };
  table_generate(options.prefixes);
  if (!options.writer) {
    sessions_open(1, "10.0.0.1", 179);
    sender_a = session_add(SENDER_A_ADDRESS, sender_as[0], RECEIVE_BUFFER);
    table = stream_of(sender_a, 0);
    struct origin elsewhere = { sender_a->as, SENDER_B_ADDRESS, 0, false };
    changed = encode_table(elsewhere, options.single);
    withdrawals = encode_withdrawals();
  }
  fib_monitor_open(options.namespace);
  if (!options.writer) establish();
  settle();
  result_begin("to-kernel");
  fib_monitor_target(VIA_GATEWAY, SENDER_A_ADDRESS);
  start_step(&table);
  bool reached = run_until(all_match, 100, timeout_seconds);
  phase_end("install", reached);
  settle();
  result_number("install_settled_cpu_s", phase_cpu());
  result_number("install_peak_mib", tested_memory("VmHWM") / 1024.0);
  if (reached) {
    fib_monitor_target(VIA_GATEWAY, SENDER_B_ADDRESS);
    start_step(&changed);
    reached = run_until(all_match, 100, timeout_seconds);
    phase_end("change", reached);
    settle();
    result_number("change_settled_cpu_s", phase_cpu());
    result_number("change_peak_mib", tested_memory("VmHWM") / 1024.0);
  }
  if (reached) {
    fib_monitor_target(ANY_ROUTE, 0);
    start_step(&withdrawals);
    phase_end("remove", run_until(none_match, 100, timeout_seconds));
  }
  result_end();
}

/* All blocks of all nodes, as a route reflector of the tested node's own AS tells them. */
static struct stream encode_blocks(uint32_t as)
{
  struct stream stream = { 0 };
  static const struct attribute_set plain;
  for (uint32_t k = 0; k < options.clients; k++) {
    struct origin origin = { as, client_address(k), 0, true };
    encode_update(&stream, &plain, k * options.per_client, options.per_client, origin);
  }
  encode_end_of_rib(&stream);
  return stream;
}

/*
 * Says "ready" on standard error when the routes are there. Then each line "NAME other" or "NAME first" on standard input
 * starts a phase: the answers are "armed", "done" when all routes have left the device that they had first (or are there
 * again), and "settled". The phase's clock runs from "armed" to "done".
 */
void run_mode_flip(void)
{
  table_blocks(options.clients, options.per_client);
  sessions_open(1, "10.0.0.1", 179);
  struct session *reflector = session_add(SENDER_A_ADDRESS, local_as, RECEIVE_BUFFER);
  struct stream blocks = encode_blocks(local_as);
  fib_monitor_open(options.namespace);
  fib_monitor_target(ANY_ROUTE, 0);
  establish();
  session_send(reflector, &blocks);
  if (!run_until(all_match, 100, timeout_seconds)) die("%u of %u blocks have a route", fib_matching, prefix_count);
  settle();
  uint32_t device = fib_first_device();
  fprintf(stderr, "ready\n");
  result_begin("mode-flip");
  char line[128], name[64], where[16];
  while (fgets(line, sizeof line, stdin) && sscanf(line, "%63s %15s", name, where) == 2) {
    fib_monitor_target(strcmp(where, "other") == 0 ? BY_OTHER_DEVICE : BY_DEVICE, device);
    phase_begin();
    fprintf(stderr, "armed\n");
    bool reached = run_until(all_match, 2, timeout_seconds);
    phase_end(name, reached);
    fprintf(stderr, "done\n");
    settle();
    fprintf(stderr, "settled\n");
  }
  result_number("all_peak_mib", tested_memory("VmHWM") / 1024.0);
  result_end();
}
