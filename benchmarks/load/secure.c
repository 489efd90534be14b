/* TLS clients, a thread for each connection, blocking: slower than what they ask needs, but what is measured is the
 * CPU of the proxy.
 *
 *     secure full|resumed HOST PORT N SECONDS    handshake, 64 bytes, an answer, the end; N at once
 *     secure up|down HOST PORT 1 BYTES           bulk, on one connection
 *
 * Prints `ready`, waits for a line, does it, prints {count, seconds} or {bytes, seconds}, and ends with its stdin. */
#include "secured.h"
#include <pthread.h>

static struct sockaddr_in target;
static int resumed;
static double until;

static struct end connected(SSL_SESSION *session)
{
    struct end end = dial(target);
    shake_hands(&end, session);
    if (SSL_session_reused(end.tls) != (session != NULL))
        fail(session ? "the session was not resumed" : "a session was resumed");
    return end;
}

/* One visit; its session is for the next one. */
static SSL_SESSION *visit(SSL_SESSION *session)
{
    unsigned char out[OPENING + MESSAGE], in[MESSAGE];
    opening(out, 'C', 0);
    memcpy(out + OPENING, pattern, MESSAGE);
    struct end end = connected(session);
    say(&end, out, sizeof out);
    hear(&end, in, MESSAGE);
    if (memcmp(in, out + OPENING, MESSAGE) || hear_some(&end, in, 1) > 0)
        fail("another answer came");
    SSL_SESSION *next = resumed ? SSL_get1_session(end.tls) : NULL;
    hang_up(&end);
    SSL_SESSION_free(session);
    return next;
}

static void *visits(void *first)
{
    uint64_t count = 0;
    for (SSL_SESSION *session = first; now() < until; count++)
        session = visit(session);
    return (void *)count;
}

static void handshakes(int n, double seconds)
{
    pthread_t threads[n];
    SSL_SESSION *sessions[n];
    uint64_t count = 0;
    for (int i = 0; i < n; i++)
        sessions[i] = resumed ? visit(NULL) : NULL;
    ready();
    double began = now();
    until = began + seconds;
    for (int i = 0; i < n; i++)
        pthread_create(&threads[i], NULL, visits, sessions[i]);
    for (int i = 0; i < n; i++) {
        void *done;
        pthread_join(threads[i], &done);
        count += (uint64_t)done;
    }
    printf("{\"count\": %lu, \"seconds\": %.6f}\n", count, now() - began);
}

static void send_all(struct end *end, uint64_t bytes)
{
    uint64_t answer[2];
    for (uint64_t at = 0; at < bytes; at += CHUNK)
        say(end, pattern + at % PERIOD, least(bytes - at, CHUNK));
    hear(end, answer, sizeof answer);
    if (answer[0] != bytes || answer[1])
        die("the server got other bytes");
}

static void take_all(struct end *end, uint64_t bytes)
{
    static unsigned char room[CHUNK];
    for (uint64_t at = 0; at < bytes;) {
        ssize_t got = hear_some(end, room, least(bytes - at, CHUNK));
        if (got <= 0)
            fail("a connection ended before its last byte");
        if (!fits(room, at, got))
            die("other bytes came");
        at += got;
    }
}

static void bulk(int up, uint64_t bytes)
{
    unsigned char first[OPENING];
    struct end end = connected(NULL);
    opening(first, up ? 'U' : 'D', bytes);
    ready();
    double began = now();
    say(&end, first, OPENING);
    if (up)
        send_all(&end, bytes);
    else
        take_all(&end, bytes);
    printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", bytes, now() - began);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        usage("secure full|resumed|up|down HOST PORT N SECONDS|BYTES");
    prepare();
    target = address(argv[2], atoi(argv[3]));
    use_tls();
    resumed = !strcmp(argv[1], "resumed");
    if (resumed || !strcmp(argv[1], "full"))
        handshakes(atoi(argv[4]), atof(argv[5]));
    else
        bulk(!strcmp(argv[1], "up"), strtoull(argv[5], NULL, 10));
    finished();
}
