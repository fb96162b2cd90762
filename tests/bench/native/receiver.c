/* A destination that answers 200 to everything, as tests/harness/receiver.py does, at a fraction of the processor time.
 *
 *   receiver COUNTERS
 *
 * It prints its port. Then it reads lines: "forget" begins the latencies anew, "report" prints a line of JSON: different
 * events, repeats, events that came before an earlier one of their call, and the latency from due to first byte.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "wire.h"

typedef struct {
    int socket;
    size_t got;
    int64_t first_byte;
    char request[65536];
} Connection;

static uint8_t *seen, *last;
static int64_t room, repeats, unordered;
static Sample latencies;

static void arrived(const char *mark, int64_t first_byte)
{
    int64_t call = atoll(mark), position = atoll(mark + 9), sent = atoll(mark + 12);
    while (call >= room) {
        int64_t more = room ? 2 * room : 1 << 16;
        seen = realloc(seen, more * EVENTS);
        last = realloc(last, more);
        if (!seen || !last)
            die("realloc");
        memset(seen + room * EVENTS, 0, (more - room) * EVENTS);
        memset(last + room, 0, more - room);
        room = more;
    }
    if (seen[call * EVENTS + position]++) {
        repeats++;
        return;
    }
    if (position + 1 < last[call])
        unordered++;
    else
        last[call] = position + 1;
    counters[ARRIVED]++;
    sample_add(&latencies, first_byte - sent);
}

/* Answers every whole request that is there. */
static void answer(Connection *connection)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (;;) {
        connection->request[connection->got] = 0;
        char *end = strstr(connection->request, "\r\n\r\n");
        if (!end)
            return;
        char *length = strcasestr(connection->request, "content-length:");
        size_t whole = (size_t)(end + 4 - connection->request) + (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
        if (connection->got < whole)
            return;
        char *mark = strstr(end, "\"mark\":\"");
        if (mark)
            arrived(mark + 8, connection->first_byte);
        if (send(connection->socket, ok, sizeof ok - 1, MSG_NOSIGNAL) < 0)
            return;
        memmove(connection->request, connection->request + whole, connection->got - whole);
        connection->got -= whole;
    }
}

static void command(void)
{
    char line[64];
    ssize_t got = read(0, line, sizeof line - 1);
    if (got <= 0)
        exit(0);
    if (line[0] == 'f') {
        latencies.count = 0;
        puts("{}");
    } else {
        printf("{\"different\": %lld, \"repeats\": %lld, \"unordered\": %lld, \"latency\": ", (long long)counters[ARRIVED],
               (long long)repeats, (long long)unordered);
        print_sample(&latencies);
        puts("}");
    }
    fflush(stdout);
}

int main(int count, char **given)
{
    if (count != 2)
        return fprintf(stderr, "wrong arguments\n"), 2;
    share_counters(given[1]);
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 512) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        die("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &listener};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &wanted);
    wanted.data.ptr = NULL;
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &wanted);
    for (;;) {
        struct epoll_event ready[256];
        int got = epoll_wait(poll, ready, 256, -1);
        for (int n = 0; n < got; n++) {
            if (!ready[n].data.ptr) {
                command();
            } else if (ready[n].data.ptr == &listener) {
                Connection *connection = calloc(1, sizeof *connection);
                connection->socket = accept(listener, NULL, NULL);
                setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                struct epoll_event each = {.events = EPOLLIN, .data.ptr = connection};
                epoll_ctl(poll, EPOLL_CTL_ADD, connection->socket, &each);
            } else {
                Connection *connection = ready[n].data.ptr;
                if (!connection->got)
                    connection->first_byte = now_us(CLOCK_MONOTONIC);
                ssize_t more = recv(connection->socket, connection->request + connection->got,
                                    sizeof connection->request - connection->got - 1, 0);
                if (more <= 0) {
                    close(connection->socket);
                    free(connection);
                } else {
                    connection->got += more;
                    answer(connection);
                }
            }
        }
    }
}
