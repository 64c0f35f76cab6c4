/* RTP of many phones from one process: sends every 20 ms at phases spread over the tick, and measures what comes back.
 *
 * load LEGS SECONDS ROOM BASE [PEAK_AT PEAK_MS]: binds BASE + 2 i for leg i on 127.0.0.1, prints "ready", reads LEGS
 * destination ports from stdin, then runs. ROOM is the size of the rooms (legs i/ROOM). Each leg is silent but for one
 * loud frame in every second, in turn within its room, so that a loud frame that comes back tells when it was said.
 * A loud frame is heard by the others when a packet with a loud first or last octet arrives: latency is that arrival minus
 * the send. With PEAK_AT: at that second this process holds all its packets back for PEAK_MS, then sends them at once.
 *
 * Prints one line of JSON: packets, packets more than 30 ms later than their timestamps say (against the leg's soonest), latency before and after the
 * peak in ms (percentiles), loud frames said and heard.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 8192
#define TICK 20000000LL

struct leg {
    int fd, sequence;
    uint32_t timestamp;
    int64_t next, soonest; /* soonest: least transit so far, ns */
    int placed;
    long sent, received, late;
};

static struct leg legs[MOST];
static int64_t said[MOST];           /* per room: when its loud frame of this second was sent, 0 none */
static unsigned char heard_by[MOST]; /* per leg: the present loud frame was counted */
static float *latencies[2];
static long counts[2], loud, expected, heard;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float percentile(int which, double share) {
    return counts[which] ? latencies[which][(long)(share * (counts[which] - 1))] : -1;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    int count = atoi(argv[1]), seconds = atoi(argv[2]), room = atoi(argv[3]), base = atoi(argv[4]);
    int64_t peak_at = argc > 6 ? atoll(argv[5]) * 1000000000LL : 0, peak_ns = argc > 6 ? atoll(argv[6]) * 1000000 : 0;
    struct rlimit limit = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &limit);
    int poll = epoll_create1(0);
    for (int which = 0; which < 2; which++) latencies[which] = malloc(sizeof(float) * 4000000);
    for (int i = 0; i < count; i++) {
        struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(base + 2 * i),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        legs[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        int size = 1 << 18;
        setsockopt(legs[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        if (bind(legs[i].fd, (struct sockaddr *)&own, sizeof own)) return perror("load"), 1;
    }
    printf("ready\n");
    fflush(stdout);
    for (int i = 0; i < count; i++) {
        int port;
        if (scanf("%d", &port) != 1) return 1;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if (connect(legs[i].fd, (struct sockaddr *)&to, sizeof to)) return perror("load"), 1;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poll, EPOLL_CTL_ADD, legs[i].fd, &event);
    }
    int64_t start = now(), end = start + seconds * 1000000000LL, settled = start + 2000000000LL;
    unsigned char packet[172] = {0x80, 0}, inbox[256];
    int64_t worst = 0;
    for (int i = 0; i < count; i++) legs[i].next = start + TICK * (int64_t)((i * 7919L) % count) / count;
    struct epoll_event events[512];
    for (int64_t t = now(); t < end; t = now()) {
        int held = peak_ns && t - start >= peak_at && t - start < peak_at + peak_ns;
        int64_t soonest = t + 500000;
        for (int i = 0; i < count && !held; i++) {
            struct leg *leg = &legs[i];
            while (leg->next <= t) {
                long frame = leg->sent, second = frame / 50;
                /* one member of each room is loud in frame 25 of each second, members in turn */
                int is_loud = frame % 50 == 25 && second % room == i % room && (count - i / room * room) >= room;
                packet[2] = leg->sequence >> 8, packet[3] = leg->sequence;
                *(uint32_t *)(packet + 4) = htonl(leg->timestamp), *(uint32_t *)(packet + 8) = htonl(1000 + i);
                memset(packet + 12, is_loud ? 0x80 : 0xff, 160);
                if (is_loud && t > settled) {
                    said[i / room] = t, loud++, expected += room - 1;
                    for (int j = i / room * room; j < i / room * room + room; j++) heard_by[j] = j == i;
                }
                send(leg->fd, packet, 172, 0);
                leg->sequence++, leg->timestamp += 160, leg->sent++, leg->next += TICK;
            }
            if (leg->next < soonest) soonest = leg->next;
        }
        int64_t wait = soonest - now();
        struct timespec timeout = {0, wait > 0 ? wait : 0};
        int ready = epoll_pwait2(poll, events, 512, &timeout, NULL);
        for (int e = 0; e < ready; e++) {
            int i = events[e].data.u32;
            struct leg *leg = &legs[i];
            for (int size; (size = recv(leg->fd, inbox, sizeof inbox, 0)) > 0;) {
                int64_t at = now();
                if (at > settled && size == 172) {
                    int64_t transit = at - ntohl(*(uint32_t *)(inbox + 4)) * 125000LL;
                    if (!leg->placed || transit < leg->soonest) leg->soonest = transit, leg->placed = 1;
                    leg->received++;
                    if (transit - leg->soonest > 30000000) leg->late++;
                    if (transit - leg->soonest > worst) worst = transit - leg->soonest;
                }
                unsigned char head = ~inbox[12] & 0x7f, tail = ~inbox[171] & 0x7f; /* resampling shifts by some ms */
                if (size == 172 && (head > 0x40 || tail > 0x40) && said[i / room] && !heard_by[i]) {
                    heard_by[i] = 1, heard++;
                    int which = peak_ns && at - start > peak_at;
                    if (!which || at - start > peak_at + peak_ns + 3000000000LL)
                        latencies[which][counts[which]++] = (at - said[i / room]) / 1e6;
                }
            }
        }
    }
    long sent = 0, received = 0, late = 0;
    for (int i = 0; i < count; i++) sent += legs[i].sent, received += legs[i].received, late += legs[i].late;
    for (int which = 0; which < 2; which++) qsort(latencies[which], counts[which], sizeof(float), ascending);
    printf("{\"sent\": %ld, \"received\": %ld, \"late\": %ld, \"worst_ms\": %.1f, \"loud\": %ld, \"expected\": %ld, "
           "\"heard\": %ld, \"latency\": [%.1f, %.1f, %.1f], \"latency_after\": [%.1f, %.1f, %.1f]}\n",
           sent, received, late, worst / 1e6, loud, expected, heard, percentile(0, .5), percentile(0, .99),
           percentile(0, 1), percentile(1, .5), percentile(1, .99), percentile(1, 1));
    return 0;
}
