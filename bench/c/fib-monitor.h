/* Follows the IPv4 routes of another network namespace through the kernel's own notifications. */
#ifndef BENCH_FIB_MONITOR_H
#define BENCH_FIB_MONITOR_H

#include "base.h"

/* What a route of the table is counted by. */
enum route_kind { ANY_ROUTE, VIA_GATEWAY, BY_DEVICE, BY_OTHER_DEVICE };

/* `namespace` is a path. Routes that are there already are not known. */
void fib_monitor_open(const char *namespace);
/* From now on `fib_matching` counts routes of this kind; the value is an address (host order) or an interface index. */
void fib_monitor_target(enum route_kind kind, uint32_t value);
/* How many prefixes of the table have a route of the wanted kind now. */
extern uint32_t fib_matching;
/* Interface of the route to the first prefix of the table. */
uint32_t fib_first_device(void);

#endif
