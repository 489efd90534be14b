/* The FTP server behind: a thread for each session, in clear, and as quick as may be. It knows no files: RETR 4096 is
 * 4096 bytes of the pattern, STOR takes what comes, looks whether it is the pattern, and its 226 tells how much it was.
 *
 *     ftpserve HOST PORT [verify]
 *
 * Prints `listening` when it does, and runs until it is ended. */
#include "common.h"
#include <pthread.h>
#include <stdarg.h>

struct session {
    int control, announced; /* the second: listening for the data connection */
    size_t held;
    char line[512];
};

static const char *host;

static void answer(struct session *session, const char *format, ...)
{
    char text[256];
    va_list words;
    va_start(words, format);
    int count = vsnprintf(text, sizeof text, format, words);
    va_end(words);
    if (send(session->control, text, count, MSG_NOSIGNAL) != count)
        perror("answer");
}

/* The next line, without its end; NULL when there is none. */
static char *command(struct session *session)
{
    static _Thread_local char given[sizeof session->line];
    for (;;) {
        char *end = memchr(session->line, '\n', session->held);
        if (end) {
            size_t length = end - session->line;
            memcpy(given, session->line, length);
            given[length && given[length - 1] == '\r' ? length - 1 : length] = 0;
            session->held -= length + 1;
            memmove(session->line, end + 1, session->held);
            return given;
        }
        ssize_t got = recv(session->control, session->line + session->held, sizeof session->line - session->held, 0);
        if (got <= 0)
            return NULL;
        session->held += got;
    }
}

static int listening_on(int port)
{
    struct sockaddr_in here = address(host, port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 4096))
        die("listen");
    return fd;
}

static void announce(struct session *session, int extended)
{
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    if (session->announced >= 0)
        close(session->announced);
    session->announced = listening_on(0);
    getsockname(session->announced, (struct sockaddr *)&here, &size);
    unsigned at = ntohl(here.sin_addr.s_addr), port = ntohs(here.sin_port);
    if (extended)
        answer(session, "229 Extended passive (|||%u|)\r\n", port);
    else
        answer(session, "227 Passive (%u,%u,%u,%u,%u,%u)\r\n", at >> 24, at >> 16 & 255, at >> 8 & 255, at & 255,
               port >> 8, port & 255);
}

static int data_connection(struct session *session)
{
    answer(session, "150 Go on\r\n");
    int fd = accept(session->announced, NULL, NULL);
    close(session->announced);
    session->announced = -1;
    return fd;
}

static void retrieve(struct session *session, uint64_t bytes)
{
    int fd = data_connection(session);
    uint64_t sent = 0;
    while (sent < bytes) {
        ssize_t count = send(fd, pattern + sent % PERIOD, least(bytes - sent, CHUNK), MSG_NOSIGNAL);
        if (count <= 0)
            break;
        sent += count;
    }
    close(fd);
    answer(session, sent == bytes ? "226 %lu bytes\r\n" : "426 %lu bytes\r\n", sent);
}

static void store(struct session *session)
{
    int fd = data_connection(session);
    uint64_t came = 0, wrong = 0;
    ssize_t count;
    while ((count = take(fd, came, CHUNK, &wrong)) > 0)
        came += count;
    close(fd);
    answer(session, count || wrong ? "451 %lu bytes, and others than were sent\r\n" : "226 %lu bytes\r\n", came);
}

/* Returns whether the session goes on. */
static int obey(struct session *session, const char *said)
{
    if (!strncasecmp(said, "RETR ", 5) && session->announced >= 0)
        retrieve(session, strtoull(said + 5, NULL, 10));
    else if (!strncasecmp(said, "STOR ", 5) && session->announced >= 0)
        store(session);
    else if (!strcasecmp(said, "PASV") || !strncasecmp(said, "EPSV", 4))
        announce(session, said[0] == 'E' || said[0] == 'e');
    else if (!strncasecmp(said, "USER ", 5))
        answer(session, "331 And the password?\r\n");
    else if (!strncasecmp(said, "PASS ", 5))
        answer(session, "230 Logged in\r\n");
    else if (!strncasecmp(said, "TYPE ", 5) || !strcasecmp(said, "NOOP"))
        answer(session, "200 As you say\r\n");
    else if (!strcasecmp(said, "FEAT"))
        answer(session, "211-Features\r\n EPSV\r\n SIZE\r\n211 End\r\n");
    else if (!strcasecmp(said, "SYST"))
        answer(session, "215 UNIX Type: L8\r\n");
    else if (!strcasecmp(said, "QUIT"))
        answer(session, "221 Good bye\r\n");
    else
        answer(session, "502 Not here\r\n");
    return strcasecmp(said, "QUIT") != 0;
}

static void *talk(void *control)
{
    struct session session = {.control = (intptr_t)control, .announced = -1};
    char *said;
    at_once(session.control);
    answer(&session, "220 Ready\r\n");
    while ((said = command(&session)) && obey(&session, said))
        ;
    if (session.announced >= 0)
        close(session.announced);
    close(session.control);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        usage("ftpserve HOST PORT [verify]");
    prepare();
    alarm(0); /* it lives as long as the benchmark */
    host = argv[1];
    verify_all = argc > 3;
    int listening = listening_on(atoi(argv[2])), fd;
    pthread_attr_t apart;
    pthread_attr_init(&apart);
    pthread_attr_setdetachstate(&apart, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&apart, 1 << 20);
    puts("listening");
    fflush(stdout);
    while ((fd = accept(listening, NULL, NULL)) >= 0) {
        pthread_t thread;
        if (pthread_create(&thread, &apart, talk, (void *)(intptr_t)fd))
            die("no thread for a session");
    }
    die("accept");
}
