/* The least that relaying RTP can cost: every 20 ms one recv and one send per leg, nothing in between.
 *
 * floor LEGS SECONDS PEERS_PORT: binds LEGS sockets on 127.0.0.1, connects the i-th to the load's i-th port (PEERS_PORT
 * + 2 i), prints their ports on one line, then runs. Sockets are paired: what comes from one goes to its neighbour.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int legs = atoi(argv[1]), seconds = atoi(argv[2]), peer = atoi(argv[3]);
    struct rlimit limit = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &limit);
    int *sockets = calloc(legs, sizeof(int));
    static unsigned char packets[8192][256];
    int *sizes = calloc(legs, sizeof(int));
    for (int i = 0; i < legs; i++) {
        sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        int size = 1 << 18;
        setsockopt(sockets[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct sockaddr_in remote = own;
        remote.sin_port = htons(peer + 2 * i);
        socklen_t length = sizeof own;
        if (bind(sockets[i], (struct sockaddr *)&own, sizeof own) ||
            getsockname(sockets[i], (struct sockaddr *)&own, &length) ||
            connect(sockets[i], (struct sockaddr *)&remote, sizeof remote)) {
            perror("floor");
            return 1;
        }
        printf("%d ", ntohs(own.sin_port));
    }
    printf("\n");
    fflush(stdout);
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (long tick = 0; tick < seconds * 50L; tick++) {
        due.tv_nsec += 20000000;
        if (due.tv_nsec >= 1000000000) due.tv_nsec -= 1000000000, due.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        for (int i = 0; i < legs; i++) sizes[i] = recv(sockets[i], packets[i], 256, 0);
        for (int i = 0; i < legs; i++)
            if (sizes[i ^ 1] > 0) send(sockets[i], packets[i ^ 1], sizes[i ^ 1], 0);
    }
    return 0;
}
