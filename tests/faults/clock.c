/* The clock on the wall, as far off as the first eight bytes of the file CLOCK say, in seconds. Preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static int (*real)(clockid_t, struct timespec *);
static volatile int64_t *off;

__attribute__((constructor)) static void begin(void) {
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int fd = open(getenv("CLOCK"), O_RDONLY | O_CLOEXEC);
    void *map = mmap(0, sizeof *off, PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) off = map;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = real(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && off) now->tv_sec += *off;
    return result;
}
