/* The server behind: one thread, one epoll; what a connection is for stands in its first bytes (common.h).
 *
 *     serve HOST PORT [verify]
 *
 * Prints `listening` when it does, and runs until it is ended. */
#include "common.h"

enum { MOST = 1 << 17 };

struct talk {
    unsigned char opening[OPENING];
    uint64_t heard; /* of the opening, then of what follows */
    uint64_t moved, wrong;
    int begun;
};

static struct talk *talks[MOST]; /* by descriptor */
static int queue;

static void leave(int fd)
{
    free(talks[fd]);
    talks[fd] = NULL;
    close(fd);
}

static void watch(int fd, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(queue, how, fd, &event))
        die("epoll_ctl");
}

static void meet(int listening)
{
    int fd;
    while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MOST || !(talks[fd] = calloc(1, sizeof(struct talk))))
            die("too many connections");
        at_once(fd);
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept");
}

/* The result of all of these: 1 go on, 0 wait, -1 the connection is over. */
static int after(ssize_t done)
{
    return done > 0 ? 1 : done < 0 && errno == EAGAIN ? 0 : -1;
}

static int begin(int fd, struct talk *talk)
{
    ssize_t got = recv(fd, talk->opening + talk->heard, OPENING - talk->heard, 0);
    if (got > 0)
        talk->heard += got;
    if (talk->heard < OPENING)
        return got > 0 ? 0 : after(got);
    talk->begun = 1;
    if (talk->opening[0] == 'D')
        watch(fd, EPOLLOUT, EPOLL_CTL_MOD);
    return 1;
}

static int echo(int fd, int once)
{
    unsigned char room[4096];
    ssize_t got = recv(fd, room, sizeof room, 0);
    if (got <= 0)
        return after(got);
    /* Messages are small and one at a time: the send buffer always has room. */
    if (send(fd, room, got, MSG_NOSIGNAL) != got)
        return -1;
    return once ? -1 : 0;
}

static int sink(int fd, struct talk *talk, uint64_t count)
{
    ssize_t got = take(fd, talk->moved, least(count - talk->moved, CHUNK), &talk->wrong);
    if (got <= 0)
        return after(got);
    talk->moved += got;
    if (talk->moved < count)
        return 0;
    uint64_t answer[2] = {talk->moved, talk->wrong};
    talk->opening[0] = 'E'; /* until the client leaves */
    return send(fd, answer, sizeof answer, MSG_NOSIGNAL) == sizeof answer ? 0 : -1;
}

static int source(int fd, struct talk *talk, uint64_t count)
{
    size_t size = least(count - talk->moved, CHUNK);
    ssize_t sent = send(fd, pattern + talk->moved % PERIOD, size, MSG_NOSIGNAL);
    if (sent <= 0)
        return after(sent);
    talk->moved += sent;
    if (talk->moved == count) {
        talk->opening[0] = 'E';
        watch(fd, EPOLLIN, EPOLL_CTL_MOD);
    }
    return 0;
}

static int step(int fd, struct talk *talk)
{
    uint64_t count;
    memcpy(&count, talk->opening + 8, 8);
    switch (talk->opening[0]) {
    case 'U':
        return sink(fd, talk, count);
    case 'D':
        return source(fd, talk, count);
    case 'E':
        return echo(fd, 0);
    case 'C':
        return echo(fd, 1);
    }
    fprintf(stderr, "serve: a connection began with byte %d\n", talk->opening[0]);
    return -1;
}

static int listening_on(const char *host, int port)
{
    struct sockaddr_in here = address(host, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 4096))
        die("listen");
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        usage("serve HOST PORT [verify]");
    prepare();
    alarm(0); /* it lives as long as the benchmark */
    verify_all = argc > 3;
    int listening = listening_on(argv[1], atoi(argv[2]));
    queue = epoll_create1(EPOLL_CLOEXEC);
    watch(listening, EPOLLIN, EPOLL_CTL_ADD);
    puts("listening");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(queue, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd, next = 1;
            if (fd == listening) {
                meet(listening);
                continue;
            }
            if (!talks[fd]->begun)
                next = begin(fd, talks[fd]);
            if (next > 0)
                next = step(fd, talks[fd]);
            if (next < 0)
                leave(fd);
        }
    }
}
