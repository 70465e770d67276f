/* What the thread policy cannot say in Cython: OpenMP where it is compiled in, thread-local state, the probe. */
#ifndef CDL_THREADS_OS_H
#define CDL_THREADS_OS_H
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#define CDL_OPENMP _OPENMP
/* Frees the calling thread's team. OpenMP 5; gcc 9 and clang 9 have it while they still announce 4.5. */
#if (defined(__clang__) && __clang_major__ >= 9) || (!defined(__clang__) && defined(__GNUC__) && __GNUC__ >= 9)
#define cdl_end_team() omp_pause_resource_all(omp_pause_hard)
#else
#define cdl_end_team() (-1)
#endif
#else
#define CDL_OPENMP 0
#define cdl_end_team() 0
#define omp_get_max_threads() 1
#define omp_get_thread_num() 0
#define omp_in_parallel() 0
#endif

/* What one thread remembers between two calls. */
typedef struct cdl_self {
    double estimate; /* microseconds of the work it last asked threads for */
    int64_t asked;   /* when it last asked for work worth a second thread, in ns */
    int depth;       /* > 0 while it runs a task */
    int most;        /* threads_for's last limit, however large the work */
    int team;        /* size of the team OpenMP keeps for it, this thread included; 0 before the first */
    int allowed;     /* the largest team that could be started for it; 0 before the first try */
    int back;        /* its last sweep over large arrays went from their end to their start */
} cdl_self;

static _Thread_local cdl_self cdl_me;

static inline int64_t cdl_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *cdl_wait_for_gate(void *gate) {
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* How many of `wanted` more threads this process can have at once. libgomp ends the process when it cannot start one,
 * so the same number is started here first; they wait behind the gate until all exist. */
static int cdl_startable(int wanted) {
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t *started = malloc((size_t)wanted * sizeof *started);
    int n = 0;
    if (!started)
        return 0;
    pthread_mutex_lock(&gate);
    while (n < wanted && pthread_create(&started[n], NULL, cdl_wait_for_gate, &gate) == 0)
        n++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < n; i++)
        pthread_join(started[i], NULL);
    free(started);
    return n;
}

static void *cdl_read_max_threads(void *result) {
    *(int *)result = omp_get_max_threads();
    return NULL;
}

/* The number of threads OpenMP started out with, from the environment or the processors. Read in a new thread, because
 * omp_set_num_threads, and so threadpoolctl, changes the calling one's. */
static int cdl_default_max_threads(void) {
    pthread_t reader;
    int result = omp_get_max_threads();
    if (pthread_create(&reader, NULL, cdl_read_max_threads, &result) == 0)
        pthread_join(reader, NULL);
    return result;
}
#endif
