// Moves the wall clock of one process, and nothing else: what is asked of the monotonic clocks is answered as ever.
// MAINSPRING_TEST_CLOCK names a file with the milliseconds to add, a 64-bit integer in the machine's order.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *added;

__attribute__((constructor)) static void open_file(void) {
    const char *name = getenv("MAINSPRING_TEST_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *added, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED)
        added = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int answer = (int)syscall(SYS_clock_gettime, clock, time);
    if (answer == 0 && clock == CLOCK_REALTIME && added) {
        int64_t ms = *added, nanoseconds = time->tv_nsec + (ms % 1000) * 1000000;
        time->tv_sec += ms / 1000 + (nanoseconds < 0 ? -1 : nanoseconds / 1000000000);
        time->tv_nsec = nanoseconds < 0 ? nanoseconds + 1000000000 : nanoseconds % 1000000000;
    }
    return answer;
}
