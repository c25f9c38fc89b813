/*
 * null-relay ADDRESS PORT AS: the physical limit of a BGP speaker. It answers the handshake and copies every UPDATE, unread,
 * to all other sessions. What is measured against it is the cost of the kernel's TCP and of the neighbours themselves.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encode.h"

enum { RECEIVE_ROOM = 1 << 20, MAX_CONNECTIONS = 2048 };

struct connection {
  int fd;
  bool has_more, is_waiting, is_dead;
  uint8_t *received;
  size_t received_length;
  uint8_t *queued;
  size_t queued_length, queued_capacity;
};

static struct connection *connections[MAX_CONNECTIONS];
static int connection_count, poller;
static uint32_t own_as, own_identifier;

static void flush(struct connection *connection)
{
  size_t offset = 0;
  while (offset < connection->queued_length) {
    ssize_t written = write(connection->fd, connection->queued + offset, connection->queued_length - offset);
    if (written <= 0) break;
    offset += written;
  }
  connection->queued_length -= offset;
  memmove(connection->queued, connection->queued + offset, connection->queued_length);
  connection->has_more = false;
  bool wait = connection->queued_length > 0;
  if (wait == connection->is_waiting) return;
  connection->is_waiting = wait;
  struct epoll_event event = { .events = wait ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = connection };
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
}

/* Only queues: what many peers sent in one turn leaves in one write per receiver. */
static void queue(struct connection *connection, const uint8_t *octets, size_t length)
{
  if (connection->queued_length + length > connection->queued_capacity) {
    connection->queued_capacity = (connection->queued_length + length) * 2;
    connection->queued = realloc(connection->queued, connection->queued_capacity);
    if (!connection->queued) die("out of memory");
  }
  memcpy(connection->queued + connection->queued_length, octets, length);
  connection->queued_length += length;
  connection->has_more = true;
}

static void queue_for_others(const struct connection *sender, const uint8_t *octets, size_t length)
{
  if (length == 0) return;
  for (int i = 0; i < connection_count; i++)
    if (connections[i] != sender) queue(connections[i], octets, length);
}

static void answer_open(struct connection *connection)
{
  uint8_t message[64], *at = message + 19;
  *at++ = 4;
  at = put32(put16(put16(at, own_as), 240), own_identifier);
  static const uint8_t capabilities[] = { 14, 2, 12, 1, 4, 0, 1, 0, 1, 65, 4 };
  memcpy(at, capabilities, sizeof capabilities);
  at = put32(at + sizeof capabilities, own_as);
  queue(connection, message, finish_message(message, at, BGP_OPEN));
  queue(connection, message, finish_message(message, message + 19, BGP_KEEPALIVE));
}

static void receive(struct connection *connection)
{
  ssize_t length = read(connection->fd, connection->received + connection->received_length,
                        RECEIVE_ROOM - connection->received_length);
  if (length <= 0) {
    connection->is_dead = length == 0 || errno != EAGAIN;
    return;
  }
  connection->received_length += length;
  const uint8_t *octets = connection->received;
  size_t offset = 0, run = 0; /* UPDATEs from run to offset belong together */
  while (connection->received_length - offset >= 19) {
    size_t size = octets[offset + 16] << 8 | octets[offset + 17];
    if (connection->received_length - offset < size) break;
    uint8_t type = octets[offset + 18];
    if (type != BGP_UPDATE) {
      queue_for_others(connection, octets + run, offset - run);
      run = offset + size;
      if (type == BGP_OPEN) answer_open(connection);
    }
    offset += size;
  }
  if (offset > run) queue_for_others(connection, octets + run, offset - run);
  connection->received_length -= offset;
  memmove(connection->received, connection->received + offset, connection->received_length);
}

static void drop(int index)
{
  struct connection *connection = connections[index];
  connections[index] = connections[--connection_count];
  close(connection->fd);
  free(connection->received);
  free(connection->queued);
  free(connection);
}

static void accept_connection(int listener)
{
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
  if (fd < 0 || connection_count == MAX_CONNECTIONS) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct connection *connection = allocate(sizeof *connection);
  connection->fd = fd;
  connection->received = malloc(RECEIVE_ROOM);
  connections[connection_count++] = connection;
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
  if (argc != 4) die("usage: null-relay ADDRESS PORT AS");
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
  if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) die("%s is no IPv4 address", argv[1]);
  own_identifier = ntohl(address.sin_addr.s_addr);
  own_as = atoi(argv[3]);
  int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1024) < 0)
    die("listen: %s", strerror(errno));
  poller = epoll_create1(0);
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    struct epoll_event events[512];
    int count = epoll_wait(poller, events, 512, -1);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!connection) { accept_connection(listener); continue; }
      if (events[i].events & EPOLLOUT) connection->has_more = true;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(connection);
    }
    for (int i = 0; i < connection_count; i++) if (connections[i]->has_more) flush(connections[i]);
    for (int i = connection_count - 1; i >= 0; i--) if (connections[i]->is_dead) drop(i);
  }
}
