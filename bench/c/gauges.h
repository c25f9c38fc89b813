/* What a run costs: processor time and memory of the tested processes, of this one, and of everybody else. */
#ifndef BENCH_GAUGES_H
#define BENCH_GAUGES_H

#include "base.h"

/* Comma-separated. */
void gauges_watch(const char *process_ids);
/* Processor seconds of the tested processes with all their threads. */
double tested_cpu(void);
/* VmRSS or VmHWM, summed, in KiB. */
long tested_memory(const char *field);
/* Sends a signal to the first of them. */
void tested_signal(int number);

/* Starts the clock of a phase. */
void phase_begin(void);
/* Reports NAME_s, NAME_cpu_s, NAME_harness_cpu_s and NAME_noise: processors that everybody else used meanwhile. */
void phase_end(const char *name, bool reached);
/* Seconds since the phase began. */
double phase_seconds(void);
double phase_cpu(void);

/* Members of the result, which is one JSON object. */
void result_number(const char *key, double value);
void result_begin(const char *scenario);
void result_end(void);

/* Waits until the tested processes rest: neither processor time nor octets in either direction. */
void settle(void);

#endif
