/* FTP clients, a thread for each session, blocking.
 *
 *     ftp login HOST PORT N SECONDS    connect, USER, PASS, QUIT; N at once
 *     ftp small HOST PORT N FILES      so many downloads of 4 KiB in all, in N sessions
 *     ftp retr|stor HOST PORT 1 BYTES  one transfer
 *
 * With `tls` after that: AUTH TLS, PROT P, data connections that offer the session of their control connection.
 * Prints `ready` when sessions are logged in, waits for a line, does it, prints {count or bytes, seconds}. */
#include "secured.h"
#include <pthread.h>

enum { SMALL = 4096 };

static struct sockaddr_in target;
static const char *mode;
static int tls;
static uint64_t amount; /* of one thread */
static double until;

struct session {
    struct end control;
    size_t held;
    char heard[2048];
};

/* The last line of the next reply, whose code must be this one. */
static char *reply(struct session *session, const char *code)
{
    static _Thread_local char line[sizeof session->heard];
    for (;;) {
        char *end = memchr(session->heard, '\n', session->held);
        if (!end) {
            ssize_t got =
                hear_some(&session->control, session->heard + session->held, sizeof session->heard - session->held);
            if (got <= 0)
                fail("the control connection ended");
            session->held += got;
            continue;
        }
        size_t length = end + 1 - session->heard;
        memcpy(line, session->heard, length);
        line[length - 1] = 0;
        session->held -= length;
        memmove(session->heard, end + 1, session->held);
        if (length > 3 && line[3] == ' ' && line[0] >= '0' && line[0] <= '9')
            break;
    }
    if (strncmp(line, code, 3)) {
        fprintf(stderr, "%s instead of %s\n", line, code);
        exit(1);
    }
    return line;
}

static char *ask(struct session *session, const char *command, const char *code)
{
    char line[128];
    say(&session->control, line, snprintf(line, sizeof line, "%s\r\n", command));
    return reply(session, code);
}

static void login(struct session *session)
{
    session->control = dial(target);
    session->held = 0;
    reply(session, "220");
    if (tls) {
        ask(session, "AUTH TLS", "234");
        shake_hands(&session->control, NULL);
        ask(session, "PBSZ 0", "200");
        ask(session, "PROT P", "200");
    }
    ask(session, "USER joe", "331");
    ask(session, "PASS secret", "230");
    ask(session, "TYPE I", "200");
}

static void logout(struct session *session)
{
    ask(session, "QUIT", "221");
    hang_up(&session->control);
}

/* A data connection, announced by the server, for this command. */
static struct end data_for(struct session *session, const char *command)
{
    unsigned at[6];
    char *where = strchr(ask(session, "PASV", "227"), '('), line[64];
    if (!where || sscanf(where, "(%u,%u,%u,%u,%u,%u)", at, at + 1, at + 2, at + 3, at + 4, at + 5) != 6)
        fail("an announcement without an address");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(at[4] << 8 | at[5])};
    to.sin_addr.s_addr = htonl(at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]);
    struct end data = dial(to);
    snprintf(line, sizeof line, "%s", command);
    ask(session, line, "150");
    if (tls) {
        SSL_SESSION *own = SSL_get1_session(session->control.tls);
        shake_hands(&data, own);
        SSL_SESSION_free(own);
    }
    return data;
}

static void done(struct session *session, uint64_t bytes)
{
    if (strtoull(reply(session, "226") + 4, NULL, 10) != bytes)
        fail("the server counted other bytes");
}

static void retrieve(struct session *session, uint64_t bytes)
{
    unsigned char room[CHUNK];
    char command[64];
    snprintf(command, sizeof command, "RETR %lu", bytes);
    struct end data = data_for(session, command);
    uint64_t came = 0, wrong = 0;
    ssize_t got;
    while ((got = tls ? hear_some(&data, room, least(bytes - came + 1, CHUNK))
                      : take(data.fd, came, CHUNK, &wrong)) > 0) {
        wrong += tls && !fits(room, came, got);
        came += got;
    }
    if (came != bytes || wrong || got < 0)
        fail("other bytes came");
    hang_up(&data);
    done(session, bytes);
}

static void store(struct session *session, uint64_t bytes)
{
    struct end data = data_for(session, "STOR it");
    for (uint64_t at = 0; at < bytes; at += CHUNK)
        say(&data, pattern + at % PERIOD, least(bytes - at, CHUNK));
    hang_up(&data);
    done(session, bytes);
}

/* What a thread does: how many of it. */
static void *work(void *of)
{
    struct session *session = of;
    uint64_t count = 0;
    if (!strcmp(mode, "login"))
        for (; now() < until; count++) {
            login(session);
            logout(session);
        }
    else if (!strcmp(mode, "small"))
        for (; count < amount; count++)
            retrieve(session, SMALL);
    else if (!strcmp(mode, "retr"))
        retrieve(session, count = amount);
    else
        store(session, count = amount);
    return (void *)count;
}

int main(int argc, char **argv)
{
    if (argc < 6)
        usage("ftp login|small|retr|stor HOST PORT N SECONDS|FILES|BYTES [tls] [verify]");
    prepare();
    use_tls();
    mode = argv[1];
    target = address(argv[2], atoi(argv[3]));
    int n = atoi(argv[4]), visits = !strcmp(mode, "login");
    amount = strtoull(argv[5], NULL, 10) / n;
    tls = argc > 6 && !strcmp(argv[6], "tls");
    verify_all = argc > 6 + tls;
    pthread_t threads[n];
    static struct session sessions[64];
    for (int i = 0; i < n && !visits; i++)
        login(&sessions[i]);
    ready();
    double began = now();
    uint64_t count = 0;
    until = began + atof(argv[5]);
    for (int i = 0; i < n; i++)
        pthread_create(&threads[i], NULL, work, &sessions[i]);
    for (int i = 0; i < n; i++) {
        void *some;
        pthread_join(threads[i], &some);
        count += (uint64_t)some;
    }
    printf("{\"%s\": %lu, \"seconds\": %.6f}\n", visits || mode[1] == 'm' ? "count" : "bytes", count, now() - began);
    finished();
}
