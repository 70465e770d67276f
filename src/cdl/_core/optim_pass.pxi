# Part of optim.pyx: parameters laid end to end, and passes over them.

cdef enum:
    CHUNK = 1 << 14     # elements of a task: p, g, m and v of float32 take a quarter of a 1 MB L2
    LINE = 64           # elements: a parameter begins at a multiple of them, so chunks end with whole cache lines
    SLOTS = 3           # the most state arrays of a parameter

cdef double COST = 0.0004       # µs an element: four arrays read, three written


cdef struct Entry:
    # A parameter: what an update finds out about it each time …
    char* p
    char* g
    size_t size, start          # size 0: it takes no part; start: where it begins when all are laid end to end
    # … and what stays
    char* state[SLOTS]          # NULL where its options call for none
    int slots                   # which are called for, as bits; -1 before the first update
    int kind
    update_t kernel
    const cdl_update* numbers


cdef struct Pass:
    # What every task of a parallel region reads. visit: what it does with elements begin … begin + n of an entry.
    Entry* entries
    size_t count
    void (*visit)(Pass* all, Entry* e, size_t begin, size_t n, size_t task) noexcept nogil
    double* sums                # of norm_of: one for each task
    double scale, limit         # of clip_of


cdef void update_of(Pass* all, Entry* e, size_t begin, size_t n, size_t task) noexcept nogil:
    cdef size_t at = begin * ITEMSIZE[e.kind]
    e.kernel(e.p + at, e.g + at, NULL if e.state[0] == NULL else e.state[0] + at,
             NULL if e.state[1] == NULL else e.state[1] + at, NULL if e.state[2] == NULL else e.state[2] + at, n, e.numbers)


cdef void norm_of(Pass* all, Entry* e, size_t begin, size_t n, size_t task) noexcept nogil:
    cdef double part
    K[e.kind].squared_norm(e.g + begin * ITEMSIZE[e.kind], n, &part)
    all.sums[task] += part


cdef void clip_of(Pass* all, Entry* e, size_t begin, size_t n, size_t task) noexcept nogil:
    K[e.kind].clip_gradient(e.g + begin * ITEMSIZE[e.kind], n, all.scale, all.limit)


cdef void chunk_task(void* job, size_t task) noexcept nogil:
    """Visit what lies in chunk `task` of the line of parameters."""
    cdef Pass* all = <Pass*>job
    cdef size_t first = task * CHUNK, last = first + CHUNK, low = 0, high = all.count, middle, begin, end
    cdef Entry* e
    while high - low > 1:       # the last entry that starts at or before `first`
        middle = (low + high) // 2
        if all.entries[middle].start <= first:
            low = middle
        else:
            high = middle
    for low in range(low, all.count):
        e = &all.entries[low]
        if e.start >= last:
            break
        begin = first - e.start if first > e.start else 0
        end = min(e.size, last - e.start)
        if begin < end:
            all.visit(all, e, begin, end - begin, task)


cdef struct Span:
    char* start
    size_t nbytes
    bint param


cdef int by_address(const void* a, const void* b) noexcept nogil:
    cdef char* x = (<Span*>a).start
    cdef char* y = (<Span*>b).start
    return (x > y) - (x < y)


cdef class Line:
    """Entries laid end to end, for one pass after another."""
    cdef Entry* entries
    cdef Py_ssize_t count
    cdef size_t length          # of the line; the elements and the gaps that round each parameter up

    def __dealloc__(self):
        free(self.entries)

    cdef int append(self, Py_ssize_t more) except -1:
        """Add entries, of which nothing is known yet."""
        cdef Py_ssize_t i
        cdef void* larger = realloc(self.entries, max(self.count + more, 1) * sizeof(Entry))
        if larger == NULL:
            raise MemoryError(f"optimizer: no memory for {self.count + more} parameters")
        self.entries = <Entry*>larger
        for i in range(self.count, self.count + more):
            self.entries[i].slots, self.entries[i].size = -1, 0
        self.count += more
        return 0

    cdef void lay(self) noexcept:
        """Say where each entry starts."""
        cdef Py_ssize_t i
        self.length = 0
        for i in range(self.count):
            self.entries[i].start = self.length
            self.length += (self.entries[i].size + LINE - 1) // LINE * LINE

    cdef void run(self, Pass* all, bint alone) noexcept:
        """One pass, on one thread if `alone`."""
        cdef size_t task, tasks = (self.length + CHUNK - 1) // CHUNK
        all.entries, all.count = self.entries, self.count
        if alone:
            for task in range(tasks):
                chunk_task(all, task)
        else:
            run_tasks(chunk_task, all, tasks, self.length * COST)

    cdef double norm(self) except -1:
        """The Euclidean norm of all gradients together: sums of chunks, in double, added up in their order."""
        cdef Pass all
        cdef size_t task, tasks = (self.length + CHUNK - 1) // CHUNK
        cdef double total = 0
        all.visit, all.sums = norm_of, <double*>pool_alloc(8 * max(tasks, <size_t>1))
        if all.sums == NULL:
            raise MemoryError(f"clip_norm: no memory for {tasks} sums")
        memset(all.sums, 0, 8 * tasks)
        self.run(&all, False)
        for task in range(tasks):
            total += all.sums[task]
        pool_free(all.sums)
        return sqrt(total)

    cdef bint overlapping(self) noexcept:
        """Whether a parameter shares memory with anything else: then the order of the tasks is the order of the
        parameters, as if they were updated one after the other."""
        cdef Span* spans = <Span*>pool_alloc(2 * sizeof(Span) * max(self.count, 1))
        cdef Py_ssize_t i
        cdef char* any_end = NULL
        cdef char* param_end = NULL
        cdef bint found = spans == NULL
        for i in range(0 if found else self.count):
            spans[2 * i] = Span(self.entries[i].p, self.entries[i].size * ITEMSIZE[self.entries[i].kind], True)
            spans[2 * i + 1] = Span(self.entries[i].g, spans[2 * i].nbytes, False)
        if not found:
            qsort(spans, 2 * self.count, sizeof(Span), by_address)
        for i in range(0 if spans == NULL else 2 * self.count):
            if spans[i].nbytes == 0:
                continue
            found = found or spans[i].start < (any_end if spans[i].param else param_end)
            any_end = max(any_end, spans[i].start + spans[i].nbytes)
            if spans[i].param:
                param_end = max(param_end, spans[i].start + spans[i].nbytes)
        pool_free(spans)
        return found
