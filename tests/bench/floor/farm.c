/* Many simulated units in one small process, so that next to nothing of what is measured is theirs.
 *
 * Usage: farm UNITS LATENCY_MS GAP_MS TABLE
 *
 * TABLE has a request and its answer per line, both in hexadecimal. Each unit listens at a port of
 * its own on loopback; the ports are printed, one per line. What is asked is answered after the
 * latency, and what is not in the table is not. When stdin ends, it prints how many requests came,
 * how many of them were not known, the shortest time between two requests of one connection in
 * microseconds, and how many were closer together than the gap.
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

enum { SLOTS = 4096, LONGEST = 4096, EVENTS = 256, DESCRIPTORS = 1 << 16 };

struct entry { uint8_t *request, *answer; size_t request_size, answer_size; };
struct due { int64_t at; int fd; uint32_t call; const struct entry *entry; };

static struct entry table[SLOTS];            /* open addressing, by a hash of the request */
static struct due *queue;                    /* a ring; latency is one for all, so it is in order */
static size_t queue_size = 1 << 16, queue_head, queue_tail;
static int64_t last[DESCRIPTORS];            /* when each connection has asked, 0 for never */
static uint32_t calls[DESCRIPTORS];          /* tells connections of one descriptor apart */
static uint8_t listens[DESCRIPTORS];
static uint64_t requests, unknown, close_together;
static int64_t shortest = INT64_MAX;

static void fail(const char *what) { perror(what); exit(1); }

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static struct entry *place(const uint8_t *data, size_t size)
{
    uint32_t hash = 2166136261u;             /* FNV-1a */
    for (size_t n = 0; n < size; n++) hash = (hash ^ data[n]) * 16777619u;
    for (;; hash++) {
        struct entry *entry = &table[hash % SLOTS];
        if (!entry->request) return entry;
        if (entry->request_size == size && !memcmp(entry->request, data, size)) return entry;
    }
}

static uint8_t *unhex(const char *text, size_t *size)
{
    *size = strlen(text) / 2;
    uint8_t *data = malloc(*size + 1);
    for (size_t n = 0; n < *size; n++) sscanf(text + 2 * n, "%2hhx", &data[n]);
    return data;
}

static void read_table(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    static char request[2 * LONGEST], answer[4 * LONGEST];
    for (int count = 0; fscanf(file, "%8191s %16383s", request, answer) == 2;) {
        struct entry new;
        new.request = unhex(request, &new.request_size);
        new.answer = unhex(answer, &new.answer_size);
        *place(new.request, new.request_size) = new;
        if (++count > SLOTS / 2) { fputs("the table is too long\n", stderr); exit(1); }
    }
    fclose(file);
}

static void watch(int poll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static int listen_somewhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (fd < 0 || fd >= DESCRIPTORS || bind(fd, (struct sockaddr *)&at, size) || listen(fd, 16))
        fail("listen");
    if (getsockname(fd, (struct sockaddr *)&at, &size)) fail("getsockname");
    printf("%d\n", ntohs(at.sin_port));
    listens[fd] = 1;
    return fd;
}

static void take_call(int poll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0) return;
    if (fd >= DESCRIPTORS) { close(fd); return; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    last[fd] = 0;
    calls[fd]++;
    watch(poll, fd);
}

static void note(int fd, int64_t at, int64_t gap)
{
    requests++;
    if (last[fd] && at) {
        int64_t since = at - last[fd];
        if (since < shortest) shortest = since;
        if (since < gap) close_together++;
    }
    last[fd] = at;
}

/* When the kernel got it, which on loopback is when it was sent: no delay of ours is in that. */
static int64_t stamp(struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(part), sizeof at);
            return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
        }
    return 0;
}

/* The request at the beginning; mostly there is only one, and several if we came late. */
static const struct entry *whole(const uint8_t *data, size_t size)
{
    for (; size; size--) {
        const struct entry *entry = place(data, size);
        if (entry->request) return entry;
    }
    return NULL;
}

static void answer_later(int fd, int64_t at, const struct entry *entry)
{
    size_t next = (queue_tail + 1) % queue_size;
    if (next == queue_head) { fputs("too many answers are due\n", stderr); exit(1); }
    queue[queue_tail] = (struct due){at, fd, calls[fd], entry};
    queue_tail = next;
}

static void hear(int fd, int64_t latency, int64_t gap)
{
    static uint8_t data[LONGEST], control[256];
    struct iovec place_of_data = {data, sizeof data};
    struct msghdr message = {.msg_iov = &place_of_data, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(fd, &message, 0);
    if (size <= 0) {
        if (size == 0 || (errno != EAGAIN && errno != EINTR)) { calls[fd]++; close(fd); }
        return;
    }
    int64_t at = stamp(&message);
    for (const uint8_t *begin = data, *end = data + size; begin < end;) {
        const struct entry *entry = whole(begin, end - begin);
        note(fd, at, gap);   /* several in one read have one stamp: a gap of 0 */
        if (!entry) { unknown++; return; }
        answer_later(fd, now_ns() + latency, entry);
        begin += entry->request_size;
    }
}

static void answer_what_is_due(void)
{
    for (int64_t now = now_ns(); queue_head != queue_tail && queue[queue_head].at <= now;) {
        struct due *due = &queue[queue_head];
        queue_head = (queue_head + 1) % queue_size;
        if (calls[due->fd] == due->call)
            send(due->fd, due->entry->answer, due->entry->answer_size, MSG_NOSIGNAL);
    }
}

int main(int count, char **words)
{
    if (count != 5) { fputs("usage: farm UNITS LATENCY_MS GAP_MS TABLE\n", stderr); return 2; }
    int units = atoi(words[1]);
    int64_t latency = atof(words[2]) * 1e6, gap = atof(words[3]) * 1e6;
    read_table(words[4]);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    queue = malloc(queue_size * sizeof *queue);
    int poll = epoll_create1(0);
    watch(poll, STDIN_FILENO);
    while (units--) watch(poll, listen_somewhere());
    fflush(stdout);
    for (;;) {
        static struct epoll_event events[EVENTS];
        struct timespec wait = {0, 0};
        int64_t left = queue_head == queue_tail ? 0 : queue[queue_head].at - now_ns();
        if (left > 0) wait.tv_nsec = left;   /* the latency is less than a second */
        int found = epoll_pwait2(poll, events, EVENTS, queue_head == queue_tail ? NULL : &wait, NULL);
        if (found < 0 && errno != EINTR) fail("epoll_pwait2");
        for (int n = 0; n < found; n++) {
            int fd = events[n].data.fd;
            if (fd == STDIN_FILENO) {
                printf("%lu %lu %ld %lu\n", requests, unknown,
                       shortest == INT64_MAX ? 0 : (long)(shortest / 1000), close_together);
                return 0;
            }
            if (listens[fd]) take_call(poll, fd);
            else hear(fd, latency, gap);
        }
        answer_what_is_due();
    }
}
