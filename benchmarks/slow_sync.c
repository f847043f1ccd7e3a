/* Adds a wait to every sync, so that a fast disk answers like a slow one. Loaded with LD_PRELOAD by slow_sync.py.
   SLOW_SYNC_US says how many microseconds; without it nothing is added. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_a_little(void) {
    const char *text = getenv("SLOW_SYNC_US");
    long us = text ? atol(text) : 0;
    struct timespec span = {us / 1000000, (us % 1000000) * 1000};
    if (us > 0) nanosleep(&span, 0);
}

int fsync(int descriptor) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_a_little();
    return real(descriptor);
}

int fdatasync(int descriptor) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_a_little();
    return real(descriptor);
}
