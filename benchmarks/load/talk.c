/* Small messages.
 *
 *     talk pingpong HOST PORT N SECONDS    64 bytes to and fro on each of N connections
 *     talk connect HOST PORT N SECONDS     connect, 64 bytes, an answer, the end; N at once
 *     talk idle HOST PORT N 0              a message on each, then silence
 *
 * Prints `ready`, waits for a line, does it, prints {count, seconds, p50, p99}, and holds the connections until its
 * stdin ends. */
#include "clients.h"

static struct end {
    size_t heard; /* of the message at hand */
    unsigned char out[OPENING + MESSAGE], in[MESSAGE + 1];
    double began;
} ends[MOST]; /* by descriptor */

static uint64_t done;
static double *times;
static void note(double seconds)
{
    static size_t room;
    if (done == room)
        times = realloc(times, (room = room ? room * 2 : 1 << 16) * sizeof *times);
    times[done++] = seconds;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell(double seconds)
{
    if (!done)
        die("nothing was answered");
    qsort(times, done, sizeof *times, by_size);
    printf("{\"count\": %lu, \"seconds\": %.6f, \"p50\": %.9f, \"p99\": %.9f}\n", done, seconds, times[done / 2],
           times[done * 99 / 100]);
    finished();
}

/* The next message of this end: no two are alike. */
static void ask(int fd)
{
    struct end *end = &ends[fd];
    memcpy(end->out, &pattern[(fd * 64 + done) % PERIOD], MESSAGE);
    end->heard = 0;
    end->began = now();
    say(fd, end->out, MESSAGE);
}

/* Returns whether the whole answer is here. */
static int listen_to(int fd, const unsigned char *expected)
{
    struct end *end = &ends[fd];
    ssize_t got = recv(fd, end->in + end->heard, MESSAGE - end->heard, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got <= 0)
        die("a connection ended without its answer");
    end->heard += got;
    if (end->heard < MESSAGE)
        return 0;
    if (memcmp(end->in, expected, MESSAGE))
        die("another answer came");
    note(now() - end->began);
    return 1;
}

/* N connections, one opened after the other, each joined: its first message has come back. */
static void stand(int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        int fd = fds[i] = dial(0);
        opening(ends[fd].out, 'E', 0);
        memcpy(ends[fd].out + OPENING, pattern, MESSAGE);
        say(fd, ends[fd].out, OPENING + MESSAGE);
        hear(fd, ends[fd].in, MESSAGE);
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void pingpong(int n, double seconds)
{
    int fds[n], asking = n;
    stand(fds, n);
    ready();
    double began = now();
    for (int i = 0; i < n; i++)
        ask(fds[i]);
    while (asking) {
        struct epoll_event events[256];
        int count = epoll_wait(queue, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (!listen_to(fd, ends[fd].out))
                continue;
            if (now() - began < seconds)
                ask(fd);
            else
                asking--;
        }
    }
    tell(now() - began);
}

/* A visit: the next one begins when this one is over. */
static void visit(void)
{
    int fd = dial(SOCK_NONBLOCK);
    struct end *end = &ends[fd];
    opening(end->out, 'C', 0);
    memcpy(end->out + OPENING, &pattern[done * 64 % PERIOD], MESSAGE);
    end->heard = 0;
    end->began = now();
    watch(fd, EPOLLOUT, EPOLL_CTL_ADD);
}

/* Returns whether the visit is over: the answer came whole, nothing after it, and the server left. */
static int visited(int fd, uint32_t events)
{
    struct end *end = &ends[fd];
    if (events & EPOLLOUT) {
        say(fd, end->out, OPENING + MESSAGE);
        watch(fd, EPOLLIN, EPOLL_CTL_MOD);
        return 0;
    }
    ssize_t got = recv(fd, end->in + end->heard, sizeof end->in - end->heard, 0);
    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got < 0)
        die("a visit ended by a reset");
    end->heard += got;
    if (got)
        return 0;
    if (end->heard != MESSAGE || memcmp(end->in, end->out + OPENING, MESSAGE))
        die("another answer came, or none");
    note(now() - end->began);
    close(fd);
    return 1;
}

static void visits(int n, double seconds)
{
    ready();
    double began = now();
    for (int i = 0; i < n; i++)
        visit();
    while (n) {
        struct epoll_event events[256];
        int count = epoll_wait(queue, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (!visited(events[i].data.fd, events[i].events))
                continue;
            if (now() - began < seconds)
                visit();
            else
                n--;
        }
    }
    tell(now() - began);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        usage("talk pingpong|connect|idle HOST PORT N SECONDS");
    prepare();
    target = address(argv[2], atoi(argv[3]));
    queue = epoll_create1(EPOLL_CLOEXEC);
    int n = atoi(argv[4]);
    if (!strcmp(argv[1], "connect"))
        visits(n, atof(argv[5]));
    else
        pingpong(n, atof(argv[5])); /* idle: in no time, one message each */
}
