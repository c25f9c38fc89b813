/* neighbours SCENARIO --pids P[,P...] [options]: plays all neighbours of a BGP speaker at 10.0.0.1 and measures it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

struct options options = { .prefixes = 1000000, .clients = 500, .per_client = 4, .senders = 1, .rate = 2000, .seconds = 60 };

static const struct { const char *name; void (*run)(void); } scenarios[] = {
  { "full-table", run_full_table }, { "reflector", run_reflector }, { "switch-over", run_switch_over },
  { "mesh-node", run_mesh_node },   { "connect", run_connect },     { "memory", run_memory },
  { "churn", run_churn },           { "to-kernel", run_to_kernel }, { "mode-flip", run_mode_flip },
  { "cluster", run_cluster },       { "stalls", run_stalls },
};

/* Options with a number. */
static const struct { const char *name; uint32_t *value; } numbers[] = {
  { "--prefixes", &options.prefixes }, { "--clients", &options.clients }, { "--per-client", &options.per_client },
  { "--senders", &options.senders },   { "--rate", &options.rate },       { "--seconds", &options.seconds },
  { "--local-as", &local_as },         { "--nodes", &options.nodes },
};

static const struct { const char *name; bool *value; } switches[] = {
  { "--single", &options.single }, { "--announce-only", &options.announce_only }, { "--writer", &options.writer },
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool read_switch(const char *name)
{
  for (unsigned i = 0; i < COUNT(switches); i++)
    if (!strcmp(name, switches[i].name)) return *switches[i].value = true;
  return false;
}

static void read_option(const char *name, const char *value)
{
  if (!strcmp(name, "--pids")) gauges_watch(value);
  else if (!strcmp(name, "--namespace")) options.namespace = value;
  else if (!strcmp(name, "--timeout")) timeout_seconds = atof(value);
  else {
    for (unsigned i = 0; i < COUNT(numbers); i++)
      if (!strcmp(name, numbers[i].name)) {
        *numbers[i].value = strtoul(value, NULL, 10);
        return;
      }
    die("unknown option %s", name);
  }
}

int main(int argc, char **argv)
{
  if (argc < 2) die("usage: neighbours SCENARIO --pids P[,P...] [options]");
  for (int i = 2; i < argc; i++) {
    if (read_switch(argv[i])) continue;
    if (i + 1 == argc) die("%s needs a value", argv[i]);
    read_option(argv[i], argv[i + 1]);
    i++;
  }
  for (unsigned i = 0; i < COUNT(scenarios); i++)
    if (!strcmp(argv[1], scenarios[i].name)) {
      scenarios[i].run();
      return 0;
    }
  die("unknown scenario %s", argv[1]);
}
