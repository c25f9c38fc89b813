#include "table.h"

#include <string.h>

uint32_t *prefix_address;
uint8_t *prefix_length;
uint32_t prefix_count;
struct attribute_set *attribute_sets;
uint32_t attribute_set_count;

/* Open addressing; -1 is a free slot. */
static int32_t *slots;
static uint32_t slot_mask;

static uint32_t hash(uint32_t address, uint8_t length)
{
  return (uint32_t)((((uint64_t)address << 6 | length) * 0x9e3779b97f4a7c15ull) >> 32);
}

void table_open(uint32_t capacity)
{
  uint32_t size = 1024;
  while (size < capacity * 2) size <<= 1;
  slots = allocate(size * sizeof *slots);
  memset(slots, 0xff, size * sizeof *slots);
  slot_mask = size - 1;
  prefix_address = allocate(capacity * sizeof *prefix_address);
  prefix_length = allocate(capacity);
  prefix_count = 0;
}

/* The slot of a prefix, or the free one where it would go. */
static uint32_t probe(uint32_t address, uint8_t length)
{
  uint32_t at = hash(address, length) & slot_mask;
  while (slots[at] >= 0 && (prefix_address[slots[at]] != address || prefix_length[slots[at]] != length))
    at = (at + 1) & slot_mask;
  return at;
}

int32_t table_find(uint32_t address, uint8_t length) { return slots[probe(address, length)]; }

bool table_add(uint32_t address, uint8_t length)
{
  uint32_t at = probe(address, length);
  if (slots[at] >= 0) return false;
  slots[at] = prefix_count;
  prefix_address[prefix_count] = address;
  prefix_length[prefix_count++] = length;
  return true;
}

/* Share of each length in permille. */
static const struct { uint8_t length; uint16_t permille; } lengths[] = {
  { 23, 102 }, { 22, 115 }, { 21, 52 }, { 20, 46 }, { 19, 26 }, { 18, 14 },
  { 17, 9 }, { 16, 14 }, { 15, 2 }, { 14, 2 }, { 13, 1 }, { 24, 617 },
};

static uint8_t random_length(void)
{
  uint32_t share = random_below(1000);
  for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    if (share < lengths[i].permille) return lengths[i].length;
    share -= lengths[i].permille;
  }
  return 24;
}

/* How many prefixes share one attribute set: heavy tail, mean about 5.7. */
static uint32_t random_set_size(void)
{
  uint32_t share = random_below(100);
  if (share < 40) return 1;
  if (share < 60) return 2;
  if (share < 72) return 3 + random_below(2);
  if (share < 87) return 5 + random_below(6);
  if (share < 97) return 11 + random_below(15);
  return 26 + random_below(55);
}

/* Blocks that no router takes from a peer. */
static const struct { uint32_t address; uint8_t length; } special[] = {
  { 0x00000000, 8 }, { 0x0a000000, 8 }, { 0x7f000000, 8 }, { 0xe0000000, 3 }, { 0x64400000, 10 }, { 0xa9fe0000, 16 },
  { 0xac100000, 12 }, { 0xc0a80000, 16 }, { 0xc0000000, 24 }, { 0xc0000200, 24 }, { 0xc6336400, 24 },
  { 0xcb007100, 24 }, { 0xc6120000, 15 },
};

static bool is_ordinary(uint32_t address)
{
  for (unsigned i = 0; i < sizeof special / sizeof *special; i++)
    if (((address ^ special[i].address) >> (32 - special[i].length)) == 0) return false;
  return true;
}

static void random_attributes(struct attribute_set *set)
{
  set->path_length = 2 + random_below(4);
  for (int i = 0; i < set->path_length; i++) {
    uint32_t number = random_below(3) ? 131072 + random_below(270000) : 1000 + random_below(60000);
    /* The tested speaker's AS and ours must not occur. */
    set->path[i] = number >= 64496 && number <= 65551 ? 3356 : number;
  }
  set->origin = random_below(5) ? 0 : 2;
  set->has_med = random_below(3) == 0;
  set->med = random_below(1000);
  set->community_count = random_below(3) == 0 ? 2 + random_below(5) : 0;
  for (int i = 0; i < set->community_count; i++) set->communities[i] = set->path[0] << 16 | random_below(5000);
}

void table_generate(uint32_t n)
{
  table_open(n);
  attribute_sets = allocate(n * sizeof *attribute_sets);
  while (prefix_count < n) {
    struct attribute_set *set = &attribute_sets[attribute_set_count++];
    uint32_t wanted = random_set_size(), base;
    if (wanted > n - prefix_count) wanted = n - prefix_count;
    do base = random32() & 0xffff0000u; while (!is_ordinary(base));
    set->first = prefix_count;
    for (uint32_t tries = 0; set->count < wanted;) {
      uint8_t length = random_length();
      uint32_t address = ++tries > 40 ? random32() : base | (random32() & 0xffff);
      address &= ~0u << (32 - length);
      if (is_ordinary(address) && table_add(address, length)) set->count++;
    }
    random_attributes(set);
  }
}

void table_blocks(uint32_t nodes, uint32_t per_node)
{
  table_open(nodes * per_node);
  for (uint32_t i = 0; i < nodes * per_node; i++) table_add(0x0a800000u + i * 64, 26);
}
