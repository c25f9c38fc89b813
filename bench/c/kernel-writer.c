/*
 * kernel-writer PREFIXES DEVICE METRIC: the physical limit of what a BGP speaker can reach with its routes. At each SIGUSR1
 * it does the next of: add all routes of the table via 10.0.0.2, replace them by ones via 10.0.0.3, delete them. It sends the
 * messages that calibird sends, as many per system call, with an acknowledgement for the last of them, and does nothing else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "table.h"

enum { BATCH = 512, PROTOCOL = 202, MESSAGE_ROOM = 96 };

static int netlink;
static uint32_t device, metric, sequence;

static void open_netlink(void)
{
  netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int on = 1, room = 4 << 20;
  setsockopt(netlink, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(netlink, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(netlink, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
  if (connect(netlink, (struct sockaddr *)&kernel, sizeof kernel) < 0) die("netlink: %s", strerror(errno));
}

static void await_answers(uint32_t last)
{
  static char buffer[65536];
  for (;;) {
    ssize_t length = recv(netlink, buffer, sizeof buffer, 0);
    if (length <= 0) die("recv: %s", strerror(errno));
    for (const struct nlmsghdr *at = (void *)buffer; NLMSG_OK(at, length); at = NLMSG_NEXT(at, length)) {
      const struct nlmsgerr *answer = NLMSG_DATA(at);
      if (at->nlmsg_type != NLMSG_ERROR) continue;
      if (answer->error) die("the kernel refuses a route: %s", strerror(-answer->error));
      if (at->nlmsg_seq == last) return;
    }
  }
}

static char *put(char *at, int type, uint32_t value)
{
  struct rtattr *attribute = (void *)at;
  attribute->rta_type = type;
  attribute->rta_len = RTA_LENGTH(4);
  memcpy(RTA_DATA(attribute), &value, 4);
  return at + RTA_SPACE(4);
}

static char *put_message(char *start, uint32_t index, int type, int flags, uint32_t gateway)
{
  struct nlmsghdr *header = (void *)start;
  struct rtmsg *route = NLMSG_DATA(header);
  memset(start, 0, NLMSG_SPACE(sizeof *route));
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | flags;
  header->nlmsg_seq = ++sequence;
  route->rtm_family = AF_INET;
  route->rtm_dst_len = prefix_length[index];
  route->rtm_table = RT_TABLE_MAIN;
  route->rtm_protocol = PROTOCOL;
  route->rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE;
  route->rtm_type = type == RTM_DELROUTE ? RTN_UNSPEC : RTN_UNICAST;
  char *at = put(start + NLMSG_SPACE(sizeof *route), RTA_DST, htonl(prefix_address[index]));
  if (metric) at = put(at, RTA_PRIORITY, metric);
  if (type == RTM_NEWROUTE) at = put(put(at, RTA_GATEWAY, htonl(gateway)), RTA_OIF, device);
  header->nlmsg_len = at - start;
  return at;
}

static void write_all(int type, int flags, uint32_t gateway)
{
  static char buffer[BATCH * MESSAGE_ROOM];
  for (uint32_t i = 0; i < prefix_count;) {
    char *at = buffer;
    struct nlmsghdr *last = NULL;
    for (int k = 0; k < BATCH && i < prefix_count; k++) {
      last = (void *)at;
      at = put_message(at, i++, type, flags, gateway);
    }
    last->nlmsg_flags |= NLM_F_ACK;
    if (send(netlink, buffer, at - buffer, 0) < 0) die("send: %s", strerror(errno));
    await_answers(sequence);
  }
}

int main(int argc, char **argv)
{
  if (argc != 4) die("usage: kernel-writer PREFIXES DEVICE METRIC");
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  table_generate(strtoul(argv[1], NULL, 10));
  device = if_nametoindex(argv[2]);
  metric = strtoul(argv[3], NULL, 10);
  open_netlink();
  printf("ready\n");
  fflush(stdout);
  int number;
  sigwait(&signals, &number);
  write_all(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, SENDER_A_ADDRESS);
  sigwait(&signals, &number);
  write_all(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, SENDER_B_ADDRESS);
  sigwait(&signals, &number);
  write_all(RTM_DELROUTE, 0, 0);
  sigwait(&signals, &number);
}
