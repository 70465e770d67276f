"""The thread policy and the parallel loop of every family: the one place that knows OpenMP.

A family asks `threads_for` how many threads its work is worth and hands `parallel_for` independent tasks, a few per
thread, each writing its own output: then the result has the same bits for every number of threads. Nothing here raises.

With another process on the machine a member of the team may be off its processor for milliseconds while the others
wait at the end of a region of microseconds. `parallel_for` keeps an account of what its teams saved and lost, and when
it is overdrawn `threads_for` answers 1 to small work for a while.
"""
import operator
import os
import re

from cython.parallel cimport parallel

from cdl._core import host

ctypedef void (*fork_handler)() noexcept nogil

cdef extern from "threads_os.h" nogil:
    ctypedef struct cdl_self:
        double estimate
        long long asked
        int depth
        int most
        int team
        int allowed
        int back
    cdl_self me "cdl_me"
    const int OPENMP "CDL_OPENMP"
    int omp_get_max_threads()
    int omp_get_thread_num()
    int omp_in_parallel()
    int cdl_end_team()
    long long cdl_now()
    int cdl_startable(int wanted)
    int cdl_default_max_threads()
    int pthread_atfork(fork_handler prepare, fork_handler parent, fork_handler child)
    int RELAXED "__ATOMIC_RELAXED"
    long long load "__atomic_load_n"(long long* p, int order)
    void store "__atomic_store_n"(long long* p, long long value, int order)
    size_t fetch_add "__atomic_fetch_add"(size_t* p, size_t value, int order)
    void* malloc(size_t nbytes)
    void free(void* p)
    int usleep(unsigned microseconds)

cdef enum:
    MOST_THREADS = 1024
    MOST_SHARES = 64               # of a sweep: members beyond it start in the share of another
    LIMITS_AGE = 5_000_000_000     # ns: how long the processors and the quota that were read are taken to hold

# Two threads are faster than one from 10 µs of serial work on; each further thread must bring as much again.
cdef double WORTH_A_THREAD = 10.0
# A team that has had nothing to do for a quarter of a millisecond (GOMP_SPINCOUNT=10000) sleeps, and takes 30 µs (after
# 1 ms) to 80 µs (after 20 ms) to wake. Work that comes alone after such a pause is worth it from 100 µs on; the second
# within the time wakes the team for those that follow.
cdef double WORTH_WAKING = 100.0
cdef long long ASLEEP_AFTER = 250_000
# Regions with less serial work than this (µs) are watched and held back: a time slice of 3 ms lost is little to larger
# ones, and they gain even from half a processor.
cdef double SMALL_WORK = 10_000.0
# What teams saved, in ns, less what waiting for a member cost. Below 0 they are a loss of late, and small work keeps to
# one thread for 10 ms, after each relapse for twice as long, up to 1 s, when a relapse, some time slices of 3 ms lost,
# is 1 % of the time. One such slice is credited to begin with; at three, earlier losses are forgotten.
cdef long long FIRST_CREDIT = 3_000_000, CREDIT_LIMIT = 9_000_000
cdef long long SHORTEST_CALM = 10_000_000, LONGEST_CALM = 1_000_000_000
# Of the estimate: more work than that in a region is not believed. Longer means that a member was off its processor.
cdef double BELIEVABLE = 3.0

# How long the team waits before it sleeps, as libgomp read it while this module was loaded.
WAIT_POLICY = next(
    (f"{name}={os.environ[name]}" for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in os.environ), "default")

cdef struct Share:                 # neighbouring tasks, on a cache line of its own
    size_t first, end
    size_t next                    # the first that nobody has taken, where the sweep goes forward
    size_t[5] unused

cdef struct Region:
    task_t task
    void* job
    Share[MOST_SHARES] share
    int shares
    bint back                      # from the last task of each share to the first
    int members                    # of the team, the first so many take tasks
    long long entered, left        # when the calling thread came to its first task and when no more were to be had

cdef int own_setting = 0           # set_num_threads, 0 while it was not called
cdef int openmp_default = 0        # what OpenMP started out with, 0 before it was read
cdef long long limits_until = 0    # when the processors are to be read again
cdef int processors = 1
cdef double quota = -1             # processors' worth of time, 0 for no limit, -1 before it was read
cdef bint back_off = True
cdef long long credit = FIRST_CREDIT, calm_until = 0, calm_length = 0, retreats = 0
cdef bint team_stuck = False       # the fork under way could not end this thread's team
cdef bint team_lost = False        # this process is the child of such a fork


cdef void before_fork() noexcept nogil:
    """Threads do not survive a fork, and OpenMP does not notice: end this thread's team; the next region starts one.

    The team is ended even if another library started it: in the child our region would wait for it for ever.
    """
    global team_stuck
    if not team_lost:
        team_stuck = cdl_end_team() != 0 and me.team > 1
        if not team_stuck:
            me.team = 0


cdef void in_child() noexcept nogil:
    global team_lost
    team_lost = team_lost or team_stuck
    store(&limits_until, 0, RELAXED)


cdef void read_limits(long long now) noexcept with gil:
    """Reads the processors, and once the quota, that the system grants; lazily, not at import."""
    global processors, quota, openmp_default
    try:
        if openmp_default == 0:
            openmp_default = cdl_default_max_threads()
        if quota < 0:
            quota = host.cpu_quota() or 0
        processors = host.processors(quota or None)
    except Exception:  # out of memory or of file handles: keep what is known
        pass
    store(&limits_until, now + LIMITS_AGE, RELAXED)


cdef int most_threads(long long now) noexcept nogil:
    """Threads for work that is worth any number of them.

    A number set by the user stands even above the processors; but who lowers OpenMP's own number afterwards, as
    threadpoolctl does to keep pools inside pools small, is heard too.
    """
    cdef int openmp
    if now >= load(&limits_until, RELAXED):
        read_limits(now)
    openmp = omp_get_max_threads()
    if own_setting == 0:
        return min(openmp, processors)
    return own_setting if openmp >= openmp_default else min(own_setting, openmp)


cdef int threads_for(double microseconds) noexcept nogil:
    cdef long long now, before = me.asked
    if me.depth > 0:
        return 1  # and the estimate of the region around this task stands
    me.estimate = microseconds
    if microseconds < WORTH_A_THREAD or not OPENMP or team_lost or omp_in_parallel():
        return 1
    me.asked = now = cdl_now()
    if microseconds < WORTH_WAKING and now > before + ASLEEP_AFTER:
        return 1
    if microseconds < SMALL_WORK and now < load(&calm_until, RELAXED):
        return 1
    me.most = most_threads(now)
    if microseconds < me.most * WORTH_A_THREAD:
        return 1 + <int>(microseconds / WORTH_A_THREAD)
    return me.most


cdef void parallel_for(task_t task, void* job, size_t tasks, int threads) noexcept nogil:
    run_region(task, job, tasks, threads, 1, False)


cdef void sweep(task_t task, void* job, size_t tasks, int threads) noexcept nogil:
    # There and back in turn: what an op wrote last is still in L2 when the next one reads it first. Of arrays of twice
    # the size of L2 a forward and its backward save 5 % of the time, and a repeated sum 40 % (bench/NOTES.md).
    me.back = not me.back
    run_region(task, job, tasks, threads, MOST_SHARES, me.back)


cdef void run_region(task_t task, void* job, size_t tasks, int threads, int shares, bint back) noexcept nogil:
    cdef Region region
    cdef size_t t
    cdef int team = 1
    threads = <int>min(<size_t>max(threads, 1), min(tasks, <size_t>MOST_THREADS))
    if threads > 1 and OPENMP and me.depth == 0 and not team_lost and not omp_in_parallel():
        team = team_for(threads)
    if team > 1:
        region.task, region.job, region.back, region.members = task, job, back, threads
        region.entered = region.left = 0
        divide(&region, tasks, min(shares, threads))
        run_team(&region, team)
        return
    me.depth += 1
    for t in range(tasks):
        task(job, tasks - 1 - t if back else t)
    me.depth -= 1


cdef void divide(Region* region, size_t tasks, int shares) noexcept nogil:
    cdef int i
    region.shares = shares
    for i in range(shares):
        region.share[i].first = region.share[i].next = tasks * i // shares
        region.share[i].end = tasks * (i + 1) // shares


cdef int team_for(int wanted) noexcept nogil:
    """The team to start so that `wanted` threads are in it, or as many as this process can start.

    libgomp ends the threads that a smaller team leaves over and starts them again for the next larger one, some 20 µs
    for each. So a team stays as large as it was while that many threads are allowed; who is not wanted has no tasks.
    """
    cdef int started
    if me.allowed == 0:
        me.allowed = MOST_THREADS
    if me.team < 1:
        me.team = 1
    wanted = max(min(wanted, me.allowed), min(me.team, me.most))
    if wanted > me.team:
        started = cdl_startable(wanted - me.team)
        if started < wanted - me.team:
            me.allowed = me.team + started      # no more than that, ever; one that was granted all may grow further
            wanted = me.allowed
    return wanted


cdef void run_team(Region* region, int team) noexcept nogil:
    cdef long long start
    cdef bint watched = back_off and me.team == team and me.estimate < SMALL_WORK
    me.team = team
    start = cdl_now() if watched else 0
    # Not a prange: gcc puts a barrier before its loop, where this thread would wait until all others are awake.
    with parallel(num_threads=team):
        take_tasks(region, omp_get_thread_num(), watched)
    if watched:
        judge(region, start, cdl_now())


cdef void take_tasks(Region* region, int member, bint watched) noexcept nogil:
    """What one member of a team does: takes the next task of its share, then of the others', until there is none."""
    cdef size_t t
    cdef int i
    cdef Share* share
    if member >= region.members:
        return
    if watched and member == 0:
        region.entered = cdl_now()
    me.depth += 1
    for i in range(region.shares):
        share = &region.share[(member + i) % region.shares]
        t = fetch_add(&share.next, 1, RELAXED)
        while t < share.end:
            region.task(region.job, share.first + share.end - 1 - t if region.back else t)
            t = fetch_add(&share.next, 1, RELAXED)
    me.depth -= 1
    if watched and member == 0:
        region.left = cdl_now()


cdef void judge(Region* region, long long start, long long end) noexcept nogil:
    """Adds up what the region saved: its other members did about what this thread did, while it waited it lost time."""
    global calm_length, retreats
    cdef long long own = region.left - region.entered, others = own * (region.members - 1)
    cdef long long believable = <long long>(1000 * BELIEVABLE * me.estimate), balance = load(&credit, RELAXED)
    if believable > 0:
        own, others = min(own, believable), min(others, believable)
    balance += others - (end - start - own)
    if balance < 0:
        retreats += 1
        balance = FIRST_CREDIT
        calm_length = min(max(2 * calm_length, SHORTEST_CALM), LONGEST_CALM)
        store(&calm_until, end + calm_length, RELAXED)
    elif balance >= CREDIT_LIMIT:
        balance = CREDIT_LIMIT
        calm_length = 0
    store(&credit, balance, RELAXED)


def set_num_threads(n):
    """Use up to `n` threads. The results have the same bits for every number.

    Parameters
    ----------
    n : int or None
        May be more than there are processors; None, the default: as many as the system grants.

    Raises
    ------
    ValueError
        If it is less than 1 or more than the library can have.

    Examples
    --------
    >>> import cdl
    >>> cdl.set_num_threads(1)
    >>> cdl.get_num_threads()
    1
    >>> cdl.set_num_threads(None)
    """
    global own_setting
    wanted = 0 if n is None else operator.index(n)
    if n is not None and not 1 <= wanted <= MOST_THREADS:
        raise ValueError(
            f"set_num_threads: expected 1 to {MOST_THREADS} threads, or None for the default, got {wanted}")
    if openmp_default == 0:
        read_limits(cdl_now())
    own_setting = wanted


def work_alone():
    """From now on the ops of the calling thread use that thread alone: one that works beside the others in the background."""
    me.depth += 1


def get_num_threads():
    """The number of threads that large work is split over when it is called from this thread.

    Examples
    --------
    >>> import cdl
    >>> cdl.get_num_threads() >= 1
    True
    """
    if not OPENMP or team_lost:
        return 1
    store(&limits_until, 0, RELAXED)
    return most_threads(cdl_now())


def openmp_info():
    """What `cdl info` tells about threads, as a dict."""
    maps = host.read("/proc/self/maps") or ""
    found = re.findall(r"\S*/lib(?:[gi]?omp|iomp5)\b\S*", maps)
    return {
        "openmp": OPENMP or None,
        "threads": get_num_threads(),
        "openmp_max_threads": omp_get_max_threads(),
        "processors": host.affinity(),
        "cpu_quota": host.cpu_quota(),
        "wait_policy": WAIT_POLICY,
        "libraries": sorted(set(found)),
    }


# Of `spin_task`: a multiplication and an addition that wait for each other, 6 to 8 cycles.
cdef double ROUNDS_PER_MICROSECOND = 500.0

cdef struct Spin:
    size_t rounds
    unsigned stall         # microseconds that members other than the calling thread sleep in each task
    size_t begun           # tasks so far
    size_t* order          # of each task: how many had begun before it
    int* owner             # of each task: the member of the team that ran it
    int* nested            # threads_for(1 s) as the task saw it
    double* value


cdef void spin_task(void* job, size_t task) noexcept nogil:
    cdef Spin* spin = <Spin*>job
    cdef double x = <double>(task + 1)
    for _ in range(spin.rounds):
        x = x * 1.0000001 + 1e-9
    if spin.stall and omp_get_thread_num() > 0:
        usleep(spin.stall)
    spin.order[task] = fetch_add(&spin.begun, 1, RELAXED)
    spin.owner[task] = omp_get_thread_num()
    spin.nested[task] = threads_for(1e6)
    spin.value[task] = x


def _selftest(size_t tasks, double microseconds, int threads=0, size_t repeats=1, unsigned stall=0, bint swept=False):
    """Run regions of `tasks` tasks of about so many microseconds each on `threads` threads (0: what threads_for says).

    Returns who ran each task of the last region, the value it computed, the threads it was offered for work of its own,
    and how long (µs) each region took, its decision included. With `stall` the members other than the calling thread
    sleep that many microseconds in each task, as if another process had their processor. `swept`: as one `sweep`.
    """
    cdef Spin spin
    cdef size_t i
    cdef long long start
    cdef double estimate = tasks * microseconds
    spin.rounds = <size_t>(microseconds * ROUNDS_PER_MICROSECOND)
    spin.stall = stall
    cdef char* memory = <char*>malloc(24 * tasks + 8 * repeats + 1)
    if memory == NULL:
        raise MemoryError(f"_selftest: no memory for {tasks} tasks")
    spin.value = <double*>memory
    cdef double* took = spin.value + tasks
    spin.order = <size_t*>(took + repeats)
    spin.owner = <int*>(spin.order + tasks)
    spin.nested = spin.owner + tasks
    with nogil:
        for i in range(repeats):
            start = cdl_now()
            spin.begun = 0
            if swept:
                sweep(spin_task, &spin, tasks, threads if threads else threads_for(estimate))
            else:
                parallel_for(spin_task, &spin, tasks, threads if threads else threads_for(estimate))
            took[i] = (cdl_now() - start) / 1000.0
    try:
        return {"owners": [spin.owner[i] for i in range(tasks)], "values": [spin.value[i] for i in range(tasks)],
                "order": [spin.order[i] for i in range(tasks)],
                "nested": [spin.nested[i] for i in range(tasks)], "took": [took[i] for i in range(repeats)]}
    finally:
        free(memory)


def _back_off(enabled=None):
    """Turn the back-off on or off (None: leave it), and tell how it stands."""
    global back_off, calm_length
    if enabled is not None:
        back_off = enabled
        calm_length = 0
        store(&credit, FIRST_CREDIT, RELAXED)
        store(&calm_until, 0, RELAXED)
    return {"enabled": bool(back_off), "seconds_left": max(0.0, (load(&calm_until, RELAXED) - cdl_now()) / 1e9),
            "length": calm_length / 1e9, "retreats": retreats, "credit": load(&credit, RELAXED) / 1e9}


if pthread_atfork(before_fork, NULL, in_child):
    raise MemoryError("cdl: cannot register the fork handler of the threads")
