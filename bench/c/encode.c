#include "encode.h"

#include <stdlib.h>
#include <string.h>

uint8_t *put16(uint8_t *at, uint16_t value)
{
  at[0] = value >> 8;
  at[1] = value;
  return at + 2;
}

uint8_t *put32(uint8_t *at, uint32_t value) { return put16(put16(at, value >> 16), value); }

size_t finish_message(uint8_t *message, uint8_t *end, enum message_type type)
{
  memset(message, 0xff, 16);
  put16(message + 16, end - message);
  message[18] = type;
  return end - message;
}

static uint8_t *room(struct stream *stream)
{
  if (stream->length + MAX_MESSAGE > stream->capacity) {
    stream->capacity = (stream->capacity ? stream->capacity * 2 : 1 << 16) + MAX_MESSAGE;
    stream->bytes = realloc(stream->bytes, stream->capacity);
    if (!stream->bytes) die("out of memory");
  }
  return stream->bytes + stream->length;
}

static void append(struct stream *stream, uint8_t *message, uint8_t *end)
{
  stream->length += finish_message(message, end, BGP_UPDATE);
  stream->messages++;
}

static uint8_t *put_prefix(uint8_t *at, uint32_t index)
{
  uint8_t length = prefix_length[index];
  *at++ = length;
  for (int i = 0; i < (length + 7) / 8; i++) *at++ = prefix_address[index] >> (24 - 8 * i);
  return at;
}

static uint8_t *put_header(uint8_t *at, uint8_t flags, uint8_t type, uint8_t length)
{
  *at++ = flags;
  *at++ = type;
  *at++ = length;
  return at;
}

static uint8_t *put_attributes(uint8_t *at, const struct attribute_set *set, struct origin origin)
{
  at = put_header(at, 0x40, 1, 1);
  *at++ = set->origin;
  int hops = origin.internal ? 0 : set->path_length + 1 + origin.prepend;
  at = put_header(at, 0x40, 2, hops ? 2 + 4 * hops : 0);
  if (hops) {
    *at++ = 2; /* AS_SEQUENCE */
    *at++ = hops;
    for (int i = 0; i <= origin.prepend; i++) at = put32(at, origin.as);
    for (int i = 0; i < set->path_length; i++) at = put32(at, set->path[i]);
  }
  at = put32(put_header(at, 0x40, 3, 4), origin.next_hop);
  if (set->has_med) at = put32(put_header(at, 0x80, 4, 4), set->med);
  if (origin.internal) at = put32(put_header(at, 0x40, 5, 4), 100);
  if (set->community_count) {
    at = put_header(at, 0xc0, 8, 4 * set->community_count);
    for (int i = 0; i < set->community_count; i++) at = put32(at, set->communities[i]);
  }
  return at;
}

void encode_update(struct stream *stream, const struct attribute_set *set, uint32_t first, uint32_t count,
                   struct origin origin)
{
  uint8_t *message = room(stream);
  uint8_t *lengths = put16(message + 19, 0);
  uint8_t *at = put_attributes(lengths + 2, set, origin);
  put16(lengths, at - lengths - 2);
  for (uint32_t i = 0; i < count; i++) at = put_prefix(at, first + i);
  append(stream, message, at);
}

void encode_end_of_rib(struct stream *stream)
{
  uint8_t *message = room(stream);
  append(stream, message, put32(message + 19, 0));
}

struct stream encode_table(struct origin origin, bool single)
{
  struct stream stream = { 0 };
  for (uint32_t i = 0; i < attribute_set_count; i++) {
    const struct attribute_set *set = &attribute_sets[i];
    uint32_t step = single ? 1 : set->count;
    for (uint32_t k = 0; k < set->count; k += step) encode_update(&stream, set, set->first + k, step, origin);
  }
  encode_end_of_rib(&stream);
  return stream;
}

struct stream encode_withdrawals(void)
{
  struct stream stream = { 0 };
  for (uint32_t i = 0; i < prefix_count;) {
    uint8_t *message = room(&stream), *at = message + 21;
    while (i < prefix_count && at - message < MAX_MESSAGE - 8) at = put_prefix(at, i++);
    put16(message + 19, at - message - 21);
    append(&stream, message, put16(at, 0));
  }
  return stream;
}
