#include "prober.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"

/* Between an answer and the next knock, so that the knocking itself costs the speaker little. */
enum { REST_US = 10000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* When the measurement began, when the knock that still waits for its answer was made (or 0), and the longest wait in seconds. */
static double began_at, knocked_at, longest;

static double wait_until(double time)
{
  double from = knocked_at > began_at ? knocked_at : began_at;
  return knocked_at > 0 && time - from > longest ? time - from : longest;
}

static void knock(void)
{
  struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(STRANGER_ADDRESS) };
  struct sockaddr_in tested = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(DUT_ADDRESS), .sin_port = htons(179) };
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0) die("bind: %s", strerror(errno));
  pthread_mutex_lock(&lock);
  knocked_at = now();
  pthread_mutex_unlock(&lock);
  uint8_t answer[64];
  /* A NOTIFICATION, the end or a reset: whichever it is, the speaker has looked at the connection. */
  if (connect(fd, (struct sockaddr *)&tested, sizeof tested) == 0) (void)!recv(fd, answer, sizeof answer, 0);
  pthread_mutex_lock(&lock);
  longest = wait_until(now());
  knocked_at = 0;
  pthread_mutex_unlock(&lock);
  close(fd);
}

static void *knock_forever(void *unused)
{
  for (;; usleep(REST_US)) knock();
  return unused;
}

void prober_start(void)
{
  pthread_t thread;
  int error = pthread_create(&thread, NULL, knock_forever, NULL);
  if (error) die("pthread_create: %s", strerror(error));
}

void prober_begin(void)
{
  pthread_mutex_lock(&lock);
  began_at = now();
  longest = 0;
  pthread_mutex_unlock(&lock);
}

double prober_longest_ms(void)
{
  pthread_mutex_lock(&lock);
  double wait = wait_until(now());
  pthread_mutex_unlock(&lock);
  return wait * 1e3;
}
