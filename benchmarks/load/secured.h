/* A connection of a blocking client, in clear or in TLS. */
#ifndef SECURED_H
#define SECURED_H
#include "common.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

struct end {
    int fd;
    SSL *tls; /* or NULL */
};

static SSL_CTX *context;

static inline void fail(const char *what)
{
    ERR_print_errors_fp(stderr);
    die(what);
}

static inline void use_tls(void)
{
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
}

static inline struct end dial(struct sockaddr_in to)
{
    struct end end = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    at_once(end.fd);
    if (connect(end.fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    return end;
}

static inline void shake_hands(struct end *end, SSL_SESSION *session)
{
    end->tls = SSL_new(context);
    SSL_set_fd(end->tls, end->fd);
    if (session)
        SSL_set_session(end->tls, session);
    if (SSL_connect(end->tls) != 1)
        fail("handshake");
}

/* Of so many bytes at most; 0 is the end. */
static inline ssize_t hear_some(struct end *end, void *into, size_t most)
{
    if (!end->tls)
        return recv(end->fd, into, most, 0);
    int got = SSL_read(end->tls, into, most);
    if (got <= 0 && SSL_get_error(end->tls, got) != SSL_ERROR_ZERO_RETURN)
        return -1; /* cut off */
    return got > 0 ? got : 0;
}

static inline void say(struct end *end, const void *data, size_t count)
{
    for (size_t said = 0; said < count;) {
        ssize_t more = end->tls ? SSL_write(end->tls, (char *)data + said, count - said)
                                : send(end->fd, (char *)data + said, count - said, MSG_NOSIGNAL);
        if (more <= 0)
            fail("send");
        said += more;
    }
}

static inline void hear(struct end *end, void *into, size_t count)
{
    for (size_t heard = 0; heard < count;) {
        ssize_t got = hear_some(end, (char *)into + heard, count - heard);
        if (got <= 0)
            fail("the answer did not come whole");
        heard += got;
    }
}

/* With TLS until the peer has left, too: a close with something unread, as the peer's tickets, is a reset, and that
 * throws away what the peer has not read yet. */
static inline void hang_up(struct end *end)
{
    char unread[4096];
    if (end->tls) {
        SSL_shutdown(end->tls);
        SSL_free(end->tls);
        shutdown(end->fd, SHUT_WR);
        while (recv(end->fd, unread, sizeof unread, 0) > 0)
            ;
    }
    close(end->fd);
}
#endif
