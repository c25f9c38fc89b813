/* A stranger who knocks again and again: how long the tested speaker leaves it waiting is how long it attends to nothing new. */
#ifndef BENCH_PROBER_H
#define BENCH_PROBER_H

/* Connects from STRANGER_ADDRESS, in a thread of its own, until the program ends. */
void prober_start(void);
/* Begins a new measurement; a wait that lasts already counts from now on. */
void prober_begin(void);
/* The longest wait since then, in milliseconds; one that still lasts counts for as long as it has lasted. */
double prober_longest_ms(void);

#endif
