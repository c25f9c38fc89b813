/* UPDATE messages, encoded before the clock starts. */
#ifndef BENCH_ENCODE_H
#define BENCH_ENCODE_H

#include "table.h"

#define MAX_MESSAGE 4096

enum message_type { BGP_OPEN = 1, BGP_UPDATE, BGP_NOTIFICATION, BGP_KEEPALIVE };

struct stream { uint8_t *bytes; size_t length, capacity; uint32_t messages; };

/* Who announces: its AS, next hop, how many times more its AS stands in the path, and whether to an internal peer. */
struct origin { uint32_t as, next_hop; int prepend; bool internal; };

uint8_t *put16(uint8_t *at, uint16_t value);
uint8_t *put32(uint8_t *at, uint32_t value);
/* Writes marker, type and length of a message that ends at `end`; returns its length. */
size_t finish_message(uint8_t *message, uint8_t *end, enum message_type type);

/* Announces count prefixes from first with the attributes of the set, in one message. */
void encode_update(struct stream *, const struct attribute_set *, uint32_t first, uint32_t count, struct origin);
void encode_end_of_rib(struct stream *);
/* The generated table and End-of-RIB; with `single` one prefix per message. */
struct stream encode_table(struct origin, bool single);
struct stream encode_withdrawals(void);

#endif
