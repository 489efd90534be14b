/* Bulk: N connections that move so many bytes in all.
 *
 *     bulk up|down HOST PORT N BYTES [verify]
 *
 * Prints `ready` when they stand, waits for a line, moves, prints {bytes, seconds}, and holds them until its stdin
 * ends. An upload is over when the server has told that it came whole. */
#include "clients.h"

static struct end {
    uint64_t moved, wrong;
} ends[MOST]; /* by descriptor */

/* Returns whether this end has moved all of its bytes. */
static int move(int fd, int up, uint64_t share)
{
    struct end *end = &ends[fd];
    size_t most = least(share - end->moved, CHUNK);
    ssize_t count = up ? send(fd, pattern + end->moved % PERIOD, most, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : take(fd, end->moved, most, &end->wrong);
    if (count < 0 && errno == EAGAIN)
        return 0;
    if (count <= 0)
        die("a connection ended before its last byte");
    end->moved += count;
    return end->moved == share;
}

/* The server tells what came, which is when an upload is over. */
static void settle(int fd, uint64_t share)
{
    uint64_t answer[2];
    hear(fd, answer, sizeof answer);
    if (answer[0] != share || answer[1])
        die("the server got other bytes");
}

static void move_all(int left, int up, uint64_t share)
{
    while (left) {
        struct epoll_event events[64];
        int count = epoll_wait(queue, events, 64, -1);
        for (int i = 0; i < count; i++)
            if (move(events[i].data.fd, up, share)) {
                watch(events[i].data.fd, 0, EPOLL_CTL_DEL);
                left--;
            }
    }
}

int main(int argc, char **argv)
{
    if (argc < 6)
        usage("bulk up|down HOST PORT N BYTES [verify]");
    prepare();
    int up = !strcmp(argv[1], "up"), n = atoi(argv[4]), fds[n];
    uint64_t share = strtoull(argv[5], NULL, 10) / n;
    unsigned char first[OPENING];
    target = address(argv[2], atoi(argv[3]));
    verify_all = argc > 6;
    queue = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < n; i++) {
        fds[i] = dial(0);
        watch(fds[i], up ? EPOLLOUT : EPOLLIN, EPOLL_CTL_ADD);
    }
    opening(first, up ? 'U' : 'D', share);
    ready();
    double began = now();
    for (int i = 0; i < n; i++)
        say(fds[i], first, OPENING);
    move_all(n, up, share);
    for (int i = 0; i < n; i++) {
        if (up)
            settle(fds[i], share);
        if (ends[fds[i]].wrong)
            die("other bytes came");
    }
    printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", share * n, now() - began);
    finished();
}
