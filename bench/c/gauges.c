#include "gauges.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "session.h"

static int processes[16], process_count;

void gauges_watch(const char *process_ids)
{
  char *copy = strdup(process_ids);
  for (char *at = strtok(copy, ","); at && process_count < 16; at = strtok(NULL, ",")) processes[process_count++] = atoi(at);
  free(copy);
}

double tested_cpu(void)
{
  double ticks = 0;
  for (int i = 0; i < process_count; i++) {
    char text[1024];
    snprintf(text, sizeof text, "/proc/%d/stat", processes[i]);
    int fd = open(text, O_RDONLY);
    if (fd < 0) continue;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) continue;
    text[length] = 0;
    char *at = strrchr(text, ')');
    unsigned long user, system;
    if (at && sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
      ticks += user + system;
  }
  return ticks / sysconf(_SC_CLK_TCK);
}

long tested_memory(const char *field)
{
  long sum = 0;
  for (int i = 0; i < process_count; i++) {
    char line[256];
    snprintf(line, sizeof line, "/proc/%d/status", processes[i]);
    FILE *file = fopen(line, "r");
    if (!file) continue;
    while (fgets(line, sizeof line, file))
      if (!strncmp(line, field, strlen(field))) {
        sum += atol(line + strlen(field) + 1);
        break;
      }
    fclose(file);
  }
  return sum;
}

void tested_signal(int number)
{
  if (process_count == 0 || kill(processes[0], number) < 0) die("the tested process does not take signals");
}

static double machine_cpu(void)
{
  unsigned long long user, nice, system, idle, wait, interrupt, soft, steal;
  FILE *file = fopen("/proc/stat", "r");
  if (!file || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &interrupt,
                      &soft, &steal) != 8)
    die("cannot read /proc/stat");
  fclose(file);
  return (double)(user + nice + system + interrupt + soft + steal) / sysconf(_SC_CLK_TCK);
}

static double own_cpu(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static double began_at, tested_before, own_before, machine_before;

void phase_begin(void)
{
  machine_before = machine_cpu();
  tested_before = tested_cpu();
  own_before = own_cpu();
  began_at = now();
}

double phase_seconds(void) { return now() - began_at; }
double phase_cpu(void) { return tested_cpu() - tested_before; }

void result_begin(const char *scenario)
{
  printf("{\"scenario\":\"%s\"", scenario);
}

void result_number(const char *key, double value) { printf(",\"%s\":%.7g", key, value); }

void result_end(void)
{
  printf("}\n");
  fflush(stdout);
}

static void phase_number(const char *name, const char *what, double value)
{
  char key[96];
  snprintf(key, sizeof key, "%s_%s", name, what);
  result_number(key, value);
}

void phase_end(const char *name, bool reached)
{
  double seconds = phase_seconds(), tested = phase_cpu(), own = own_cpu() - own_before;
  double others = machine_cpu() - machine_before - tested - own;
  if (!reached) {
    fprintf(stderr, "%s: not finished after %.0f s\n", name, seconds);
    phase_number(name, "unfinished_s", seconds);
    return;
  }
  phase_number(name, "s", seconds);
  phase_number(name, "cpu_s", tested);
  phase_number(name, "harness_cpu_s", own);
  /* The kernel's work for our own packets is in it, too. */
  phase_number(name, "noise", seconds > 0.05 && others > 0 ? others / seconds : 0);
}

static double settled_at, settled_cpu;
static uint64_t settled_octets;

static bool is_quiet(void)
{
  double time = now();
  if (time - settled_at < 0.5) return false;
  double cpu = tested_cpu();
  bool quiet = cpu - settled_cpu <= 0.021 && total_received - settled_octets < 200;
  for (int i = 0; i < session_count && quiet; i++) {
    int queued = 0;
    if (sessions[i].fd < 0) continue;
    ioctl(sessions[i].fd, SIOCOUTQ, &queued);
    quiet = queued == 0 && sessions[i].send_offset == sessions[i].send_length;
  }
  settled_at = time;
  settled_cpu = cpu;
  settled_octets = total_received;
  return quiet;
}

void settle(void)
{
  settled_at = now();
  settled_cpu = tested_cpu();
  settled_octets = total_received;
  if (!run_until(is_quiet, 20, 120)) fprintf(stderr, "the tested speaker does not come to rest\n");
}
