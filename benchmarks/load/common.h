/* What the load generator's programs share: the opening line of a connection, the bytes that are moved, and how
 * a program and the benchmark take turns.
 *
 * A connection begins with 16 bytes that tell the server what it is for; a proxy in between passes them on:
 *   'U' count   the client sends so many bytes of the pattern; the server answers 16 bytes: how many came, how many
 *               reads held something else
 *   'D' count   the server sends so many bytes of the pattern
 *   'E'         the server says whatever it hears, until the client leaves
 *   'C'         the server says 64 bytes back, once, and closes
 */
#ifndef COMMON_H
#define COMMON_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OPENING = 16, MESSAGE = 64, CHUNK = 256 << 10, PERIOD = 1000003, DEADLINE = 300 };
/* PERIOD is prime: a block that came twice, not at all, or to somebody else, does not fit where it is. */

static unsigned char pattern[PERIOD + CHUNK];
static int verify_all; /* look at every byte, and not only at one read of sixteen */

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static inline void prepare(void)
{
    uint32_t x = 2463534242u; /* xorshift32 */
    for (int i = 0; i < PERIOD; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        pattern[i] = x;
    }
    memcpy(pattern + PERIOD, pattern, CHUNK);
    struct rlimit most;
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    alarm(DEADLINE); /* whoever hangs is ended, and that is an error */
}

static inline void opening(unsigned char *into, char purpose, uint64_t count)
{
    memset(into, 0, OPENING);
    into[0] = purpose;
    memcpy(into + 8, &count, 8);
}

static inline size_t least(uint64_t a, size_t b) { return a < b ? (size_t)a : b; }

static inline struct sockaddr_in address(const char *host, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        die(host);
    return to;
}

static inline void at_once(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* Whether these bytes are the pattern's at this place. */
static inline int fits(const unsigned char *got, uint64_t at, size_t count)
{
    return memcmp(got, pattern + at % PERIOD, count) == 0;
}

/* Take bytes that are to be the pattern from `at` on. Most are only counted (MSG_TRUNC: the kernel copies nothing), so
 * that the generator is not the bottleneck; one read of sixteen is compared. The result is recv's. */
static inline ssize_t take(int fd, uint64_t at, size_t most, uint64_t *wrong)
{
    static _Thread_local unsigned turn;
    unsigned char room[CHUNK];
    int look = verify_all || turn++ % 16 == 0;
    ssize_t got = recv(fd, room, least(most, CHUNK), look ? 0 : MSG_TRUNC);
    if (got > 0 && look && !fits(room, at, got))
        ++*wrong;
    return got;
}

/* Connections stand; go on when the benchmark has read its clocks. */
static inline void ready(void)
{
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF)
        exit(0);
}

/* The figures are out; connections stay open until the benchmark has read its clocks again. */
static inline void finished(void)
{
    fflush(stdout);
    while (getchar() != EOF)
        ;
}

static inline void usage(const char *text)
{
    fprintf(stderr, "usage: %s\n", text);
    exit(2);
}
#endif
