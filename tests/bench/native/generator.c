/* Posts call events at a fixed rate over keep-alive connections, as tests/harness/load.py does in its mode "open", at a
 * tenth of the processor time. Each connection has its own calls and sends one event at a time; times count from when
 * an event was due to be sent.
 *
 *   generator HOST PORT PATH CONNECTIONS COUNTERS TEMPLATE...
 *
 * A TEMPLATE is the text of one event with the places %u (uuid), %t (time), %s (start of the call) and %m (mark). For
 * each line "RATE SECONDS" that it reads it sends so many events, and prints a line of JSON: answers by status, and the
 * latency of the answers in microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "wire.h"

#define CALLS 16
#define MOST 4096

typedef struct {
    int64_t number;
    int position;
    char uuid[37], started[25];
} Call;

typedef struct {
    int socket, call, busy;
    int64_t due;
    Call calls[CALLS];
    size_t got;
    char answer[4096];
} Connection;

static const char *path, *host;
static char *templates[EVENTS];
static int64_t next_call, answers[600], busy;
static Sample latencies;

static void text_of_now(char *text)
{
    static int64_t second = -1;
    static char prefix[24];
    int64_t now = now_us(CLOCK_REALTIME);
    if (now / 1000000 != second) {
        time_t whole = second = now / 1000000;
        struct tm parts;
        gmtime_r(&whole, &parts);
        strftime(prefix, sizeof prefix, "%Y-%m-%dT%H:%M:%S.", &parts);
    }
    sprintf(text, "%s%03dZ", prefix, (int)(now / 1000 % 1000));
}

static void begin(Call *call)
{
    /* As tests/harness/events.py makes the id of a call, with seed 1. */
    const unsigned __int128 spread = ((unsigned __int128)0x9E3779B97F4A7C15ULL << 64) | 0xF39CC0605CEDC835ULL;
    unsigned __int128 id = (unsigned __int128)(next_call + 1) * spread + ((unsigned __int128)1 << 96);
    uint64_t high = (uint64_t)(id >> 64), low = (uint64_t)id;
    high = (high & ~0xF000ULL) | 0x4000;
    low = (low & ~(3ULL << 62)) | (2ULL << 62);
    call->number = next_call++;
    call->position = 0;
    sprintf(call->uuid, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xFFFF),
            (unsigned)(high & 0xFFFF), (unsigned)(low >> 48), (unsigned long long)(low & 0xFFFFFFFFFFFFULL));
    text_of_now(call->started);
}

static size_t fill(char *body, const char *template, const Call *call, const char *now, int64_t due)
{
    char *at = body;
    for (; *template; template++) {
        if (*template != '%')
            *at++ = *template;
        else
            switch (*++template) {
            case 'u': at = stpcpy(at, call->uuid); break;
            case 't': at = stpcpy(at, now); break;
            case 's': at = stpcpy(at, call->started); break;
            case 'm': at += sprintf(at, "%08lld.%02d.%016lld", (long long)call->number, call->position, (long long)due); break;
            }
    }
    return (size_t)(at - body);
}

static void post(Connection *connection, int64_t due)
{
    char body[4096], request[8192], now[25];
    Call *call = &connection->calls[connection->call];
    connection->call = (connection->call + 1) % CALLS;
    if (call->position == EVENTS)
        begin(call);
    text_of_now(now);
    size_t length = fill(body, templates[call->position], call, now, due);
    call->position++;
    int head = sprintf(request,
                       "POST %s HTTP/1.1\r\nHost: callrouter\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                       path, length);
    memcpy(request + head, body, length);
    connection->due = due;
    connection->busy = 1;
    busy++;
    counters[SENT]++;
    if (send(connection->socket, request, head + length, MSG_NOSIGNAL) != (ssize_t)(head + length))
        die("send");
}

/* Returns whether the whole answer is there. */
static int hear(Connection *connection)
{
    ssize_t got = recv(connection->socket, connection->answer + connection->got, sizeof connection->answer - connection->got - 1, 0);
    if (got <= 0)
        die("the connection was closed");
    connection->got += got;
    connection->answer[connection->got] = 0;
    char *end = strstr(connection->answer, "\r\n\r\n"), *length;
    if (!end)
        return 0;
    length = strcasestr(connection->answer, "content-length:");
    if ((size_t)(end + 4 - connection->answer) + (length && length < end ? strtoul(length + 15, NULL, 10) : 0) > connection->got)
        return 0;
    int status = atoi(connection->answer + 9);
    answers[status > 0 && status < 600 ? status : 0]++;
    if (status == 200) {
        counters[ACCEPTED]++;
        sample_add(&latencies, now_us(CLOCK_MONOTONIC) - connection->due);
    }
    connection->got = 0;
    connection->busy = 0;
    busy--;
    return 1;
}

static void report(void)
{
    const char *comma = "";
    printf("{\"answers\": {");
    for (int status = 0; status < 600; status++)
        if (answers[status]) {
            printf("%s\"%d\": %lld", comma, status, (long long)answers[status]);
            comma = ", ";
        }
    printf("}, \"latency\": ");
    print_sample(&latencies);
    puts("}");
    fflush(stdout);
}

int main(int count, char **given)
{
    if (count != 6 + EVENTS)
        return fprintf(stderr, "wrong arguments\n"), 2;
    host = given[1], path = given[3];
    int connections = atoi(given[4]);
    share_counters(given[5]);
    for (int n = 0; n < EVENTS; n++)
        templates[n] = given[6 + n];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(given[2]))};
    inet_pton(AF_INET, host, &address.sin_addr);
    Connection *all = calloc(connections, sizeof *all), **rest = calloc(MOST, sizeof *rest);
    int poll = epoll_create1(0), one = 1, first = 0, last = 0;
    for (int n = 0; n < connections; n++) {
        all[n].socket = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[n].socket, (struct sockaddr *)&address, sizeof address))
            die("connect");
        setsockopt(all[n].socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &all[n]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[n].socket, &wanted);
        for (int k = 0; k < CALLS; k++)
            begin(&all[n].calls[k]);
        rest[last++ % MOST] = &all[n];
    }
    double rate, seconds;
    while (scanf("%lf %lf", &rate, &seconds) == 2) {
        int64_t began = now_us(CLOCK_MONOTONIC), sent = 0, events = (int64_t)(rate * seconds);
        memset(answers, 0, sizeof answers);
        latencies.count = 0;
        while (sent < events || busy) {
            int64_t now = now_us(CLOCK_MONOTONIC);
            while (first < last && sent < events) {
                int64_t due = began + (int64_t)(sent * 1e6 / rate);
                if (due > now)
                    break;
                post(rest[first++ % MOST], due);
                sent++;
            }
            struct epoll_event ready[256];
            int got = epoll_wait(poll, ready, 256, sent < events && first < last ? 1 : 1000);
            for (int n = 0; n < got; n++)
                if (hear(ready[n].data.ptr))
                    rest[last++ % MOST] = ready[n].data.ptr;
        }
        report();
    }
    return 0;
}
