/* What every program of the benchmark needs: time, memory, errors, random numbers. */
#ifndef BENCH_BASE_H
#define BENCH_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Prints the reason and ends the program with status 2. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Seconds of the monotonic clock. */
double now(void);

/* Zeroed memory; ends the program if there is none. */
void *allocate(size_t size);

/* Deterministic, so that every run and every program has the same table. */
uint32_t random32(void);
/* 0 <= result < limit */
uint32_t random_below(uint32_t limit);

/* The k-th of the many addresses on the generator's side: 10.0.1.1, 10.0.1.2, ... in host order. */
static inline uint32_t client_address(uint32_t k) { return 0x0a000000u | (1 + k / 250) << 8 | (1 + k % 250); }

enum {
  DUT_ADDRESS = 0x0a000001,      /* 10.0.0.1 */
  SENDER_A_ADDRESS = 0x0a000002, /* 10.0.0.2 */
  SENDER_B_ADDRESS = 0x0a000003,
  MONITOR_ADDRESS = 0x0a000004,
  STRANGER_ADDRESS = 0x0a00fffe, /* 10.0.255.254, nobody's neighbour */
};

#endif
