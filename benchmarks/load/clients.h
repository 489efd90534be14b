/* What all clients do: dial the proxy from several sources, say and hear what is expected, watch what comes. A byte that
 * is missing, too many or wrong, or a connection that is refused, ends the program with an error. */
#ifndef CLIENTS_H
#define CLIENTS_H
#include "common.h"

enum { MOST = 1 << 17, SOURCES = 8 };

static struct sockaddr_in target;
static int queue;

static inline void watch(int fd, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(queue, how, fd, &event))
        die("epoll_ctl");
}

/* Sources take turns, so that ports do not run out. */
static inline int dial(int flags)
{
    static unsigned dialled;
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0), one = 1;
    if (fd < 0 || fd >= MOST)
        die("socket");
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f00000a + dialled++ % SOURCES);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    at_once(fd);
    if (bind(fd, (struct sockaddr *)&from, sizeof from))
        die("bind");
    if (connect(fd, (struct sockaddr *)&target, sizeof target) && errno != EINPROGRESS)
        die("connect");
    return fd;
}

static inline void say(int fd, const void *data, size_t count)
{
    if (send(fd, data, count, MSG_NOSIGNAL) != (ssize_t)count)
        die("send");
}

static inline void hear(int fd, void *into, size_t count)
{
    if (recv(fd, into, count, MSG_WAITALL) != (ssize_t)count)
        die("the answer did not come whole");
}
#endif
