/* TLS clients, a thread for each connection, blocking: slower than what they ask needs, but what is measured is the
 * CPU of the proxy.
 *
 *     secure full|resumed HOST PORT N SECONDS    handshake, 64 bytes, an answer, the end; N at once
 *     secure up|down HOST PORT 1 BYTES           bulk, on one connection
 *
 * Prints `ready`, waits for a line, does it, prints {count, seconds} or {bytes, seconds}, and ends with its stdin. */
#include "common.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>

static struct sockaddr_in target;
static SSL_CTX *context;
static int resumed;
static double until;

static void fail(const char *what)
{
    ERR_print_errors_fp(stderr);
    die(what);
}

static SSL *shake_hands(SSL_SESSION *session)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    at_once(fd);
    if (connect(fd, (struct sockaddr *)&target, sizeof target))
        die("connect");
    SSL *tls = SSL_new(context);
    SSL_set_fd(tls, fd);
    if (session)
        SSL_set_session(tls, session);
    if (SSL_connect(tls) != 1)
        fail("handshake");
    if (SSL_session_reused(tls) != (session != NULL))
        fail(session ? "the session was not resumed" : "a session was resumed");
    return tls;
}

static void close_it(SSL *tls)
{
    int fd = SSL_get_fd(tls);
    SSL_shutdown(tls);
    SSL_free(tls);
    close(fd);
}

static void say(SSL *tls, const void *data, size_t count)
{
    if (SSL_write(tls, data, count) != (int)count)
        fail("write");
}

static void hear(SSL *tls, unsigned char *into, size_t count)
{
    for (size_t heard = 0; heard < count;) {
        int got = SSL_read(tls, into + heard, count - heard);
        if (got <= 0)
            fail("the answer did not come whole");
        heard += got;
    }
}

/* One visit; its session is for the next one. */
static SSL_SESSION *visit(SSL_SESSION *session)
{
    unsigned char out[OPENING + MESSAGE], in[MESSAGE];
    opening(out, 'C', 0);
    memcpy(out + OPENING, pattern, MESSAGE);
    SSL *tls = shake_hands(session);
    say(tls, out, sizeof out);
    hear(tls, in, MESSAGE);
    if (memcmp(in, out + OPENING, MESSAGE) || SSL_read(tls, in, 1) > 0)
        fail("another answer came");
    SSL_SESSION *next = resumed ? SSL_get1_session(tls) : NULL;
    close_it(tls);
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

static void send_all(SSL *tls, uint64_t bytes)
{
    uint64_t answer[2];
    for (uint64_t at = 0; at < bytes; at += CHUNK)
        say(tls, pattern + at % PERIOD, least(bytes - at, CHUNK));
    hear(tls, (unsigned char *)answer, sizeof answer);
    if (answer[0] != bytes || answer[1])
        die("the server got other bytes");
}

static void take_all(SSL *tls, uint64_t bytes)
{
    static unsigned char room[CHUNK];
    for (uint64_t at = 0; at < bytes;) {
        int got = SSL_read(tls, room, least(bytes - at, CHUNK));
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
    SSL *tls = shake_hands(NULL);
    opening(first, up ? 'U' : 'D', bytes);
    ready();
    double began = now();
    say(tls, first, OPENING);
    if (up)
        send_all(tls, bytes);
    else
        take_all(tls, bytes);
    printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", bytes, now() - began);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        usage("secure full|resumed|up|down HOST PORT N SECONDS|BYTES");
    prepare();
    target = address(argv[2], atoi(argv[3]));
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
    resumed = !strcmp(argv[1], "resumed");
    if (resumed || !strcmp(argv[1], "full"))
        handshakes(atoi(argv[4]), atof(argv[5]));
    else
        bulk(!strcmp(argv[1], "up"), strtoull(argv[5], NULL, 10));
    finished();
}
