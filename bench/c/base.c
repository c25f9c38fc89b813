#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void die(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  exit(2);
}

double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

void *allocate(size_t size)
{
  void *memory = calloc(1, size ? size : 1);
  if (!memory) die("out of memory");
  return memory;
}

static uint64_t random_state = 0x9e3779b97f4a7c15ull;

uint32_t random32(void)
{
  uint64_t x = random_state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  random_state = x;
  return (uint32_t)((x * 0x2545f4914f6cdd1dull) >> 32);
}

uint32_t random_below(uint32_t limit) { return (uint32_t)(((uint64_t)random32() * limit) >> 32); }
