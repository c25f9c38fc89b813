/* The prefixes of a run, found by address and length, and the attribute sets that they share. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "base.h"

/* Attributes of prefixes first ... first + count - 1. AS_PATH: the sender's own AS, then path. */
struct attribute_set {
  uint32_t first, count;
  uint8_t path_length, community_count, origin;
  bool has_med;
  uint32_t med;
  uint32_t path[6], communities[6];
};

extern uint32_t *prefix_address; /* host order */
extern uint8_t *prefix_length;
extern uint32_t prefix_count;
extern struct attribute_set *attribute_sets;
extern uint32_t attribute_set_count;

void table_open(uint32_t capacity);
/* False if it is there already. */
bool table_add(uint32_t address, uint8_t length);
/* Index of a prefix, or -1. */
int32_t table_find(uint32_t address, uint8_t length);
/* n prefixes with lengths and attribute sets like those of the Internet's table of 2024. */
void table_generate(uint32_t n);
/* per_node /26 blocks from 10.128.0.0 on for each of nodes; block i belongs to node i / per_node. */
void table_blocks(uint32_t nodes, uint32_t per_node);

#endif
