/* The least that any client spends on an exchange: asks units at a fixed rate, counts answers.
 *
 * Usage: client RATE SECONDS LOOK_MS REQUEST PORT ...
 *
 * Each unit is asked RATE times a second, all spread evenly. With LOOK_MS 0 it wakes up for each
 * request and each answer; else it looks that often for what has come and what is to be asked. It
 * prints the user and the system time in seconds, and the number of answers.
 */
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

enum { LONGEST = 4096, EVENTS = 256 };

static void fail(const char *what) { perror(what); exit(1); }

static double now_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static struct timespec in_seconds(double seconds)
{
    if (seconds < 0) seconds = 0;
    return (struct timespec){(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
}

static int dial(const char *port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(atoi(port))};
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static double seconds(struct timeval time) { return time.tv_sec + time.tv_usec / 1e6; }

int main(int count, char **words)
{
    if (count < 6) {
        fputs("usage: client RATE SECONDS LOOK_MS REQUEST PORT ...\n", stderr);
        return 2;
    }
    double rate = atof(words[1]), span = atof(words[2]), look = atof(words[3]) / 1e3;
    static uint8_t request[LONGEST], data[LONGEST];
    size_t size = strlen(words[4]) / 2;
    for (size_t n = 0; n < size; n++) sscanf(words[4] + 2 * n, "%2hhx", &request[n]);
    int units = count - 5, *fds = malloc(units * sizeof *fds), poll = epoll_create1(0);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int n = 0; n < units; n++) {
        fds[n] = dial(words[5 + n]);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[n]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, fds[n], &event)) fail("epoll_ctl");
    }
    double begun = now_s(), end = begun + span, step = 1 / (rate * units);
    uint64_t asked = 0, answers = 0;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (double now = begun; now < end; now = now_s()) {
        for (; begun + asked * step <= now; asked++)
            send(fds[asked % units], request, size, MSG_NOSIGNAL);
        struct epoll_event events[EVENTS];
        struct timespec wait = in_seconds(look ? look : begun + asked * step - now_s());
        if (look) {
            nanosleep(&wait, NULL);
            wait = in_seconds(0);
        }
        for (int found = EVENTS; found == EVENTS; wait = in_seconds(0)) {
            found = epoll_pwait2(poll, events, EVENTS, &wait, NULL);
            if (found < 0 && errno != EINTR) fail("epoll_pwait2");
            for (int n = 0; n < found; n++) answers += recv(events[n].data.fd, data, LONGEST, 0) > 0;
        }
    }
    getrusage(RUSAGE_SELF, &after);
    printf("%f %f %lu\n", seconds(after.ru_utime) - seconds(before.ru_utime),
           seconds(after.ru_stime) - seconds(before.ru_stime), answers);
    return 0;
}
