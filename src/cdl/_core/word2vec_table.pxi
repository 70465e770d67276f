# The table of words that reads text; part of word2vec.pyx.
cdef struct Entry:
    uint64_t hash
    int64_t start           # of its bytes in the table's text
    int64_t length
    int64_t count

cdef unsigned char[256] KIND    # of a byte: 0 inside a word, SPACE, NEWLINE, or LEAD, which may begin a white space
memset(KIND, 0, 256)
for _byte in (9, 11, 12, 13, 28, 29, 30, 31, 32):
    KIND[<int>_byte] = SPACE
KIND[10] = NEWLINE
for _byte in (0xC2, 0xE1, 0xE2, 0xE3):
    KIND[<int>_byte] = LEAD


cdef uint64_t NO_BYTES = <uint64_t>0xCBF29CE484222325U


cdef inline uint64_t hashed(uint64_t hash, unsigned char byte) noexcept nogil:
    """FNV-1a of one byte more."""
    return (hash ^ byte) * <uint64_t>0x100000001B3


cdef inline int wide_space(const unsigned char* p, const unsigned char* end) noexcept nogil:
    """The bytes of the white space outside ASCII, as str.split knows it, that begins at a byte of kind LEAD; or 0."""
    if p[0] == 0xC2:
        return 2 if end - p > 1 and (p[1] == 0x85 or p[1] == 0xA0) else 0
    if end - p < 3:
        return 0
    if p[0] == 0xE1:
        return 3 if p[1] == 0x9A and p[2] == 0x80 else 0
    if p[0] == 0xE3:
        return 3 if p[1] == 0x80 and p[2] == 0x80 else 0
    if p[1] == 0x80:
        return 3 if 0x80 <= p[2] <= 0x8A or p[2] == 0xA8 or p[2] == 0xA9 or p[2] == 0xAF else 0
    return 3 if p[1] == 0x81 and p[2] == 0x9F else 0


@cython.final
cdef class WordTable:
    """Words of UTF-8 and how often they came: a hash table, open addressing.

    Parameters
    ----------
    words : list of bytes
        Those that are in it from the start, with the numbers 0, 1, …
    """
    cdef Entry* entries
    cdef uint32_t* slots            # 1 + the number of an entry, 0 for none
    cdef unsigned char* text
    cdef int64_t size, room, bytes, text_room
    cdef uint64_t mask

    def __cinit__(self, list words=None):
        cdef bytes word
        cdef const unsigned char* p
        self.room, self.text_room, self.mask = 1 << 10, 1 << 14, FIRST_SLOTS - 1
        self.entries = <Entry*>malloc(self.room * sizeof(Entry))
        self.text = <unsigned char*>malloc(self.text_room)
        self.slots = <uint32_t*>malloc(FIRST_SLOTS * sizeof(uint32_t))
        if self.entries == NULL or self.text == NULL or self.slots == NULL:
            raise MemoryError("WordTable: no memory for the words")
        memset(self.slots, 0, FIRST_SLOTS * sizeof(uint32_t))
        words = words or []
        for word in words:
            p = word
            if self.find(p, len(word), hash_of(p, len(word)), True) < 0:
                raise MemoryError(f"WordTable: no memory for {len(words)} words")
        if self.size != len(words):
            raise ValueError("WordTable: the same word twice")

    def __dealloc__(self):
        free(self.entries)
        free(self.text)
        free(self.slots)

    def __len__(self):
        return self.size

    cdef int64_t find(self, const unsigned char* p, int64_t length, uint64_t hash, bint add) noexcept nogil:
        """The number of a word; -1 where it is not there, or with `add` where no memory is left for it."""
        cdef uint64_t i = (hash ^ (hash >> 32)) & self.mask
        cdef Entry* e
        while self.slots[i]:
            e = &self.entries[self.slots[i] - 1]
            if e.hash == hash and e.length == length and memcmp(self.text + e.start, p, length) == 0:
                return self.slots[i] - 1
            i = (i + 1) & self.mask
        if not add or not self.grow(length):
            return -1
        e = &self.entries[self.size]
        e.hash, e.start, e.length, e.count = hash, self.bytes, length, 0
        memcpy(self.text + self.bytes, p, length)
        self.bytes += length
        self.size += 1
        self.place(self.size - 1)
        return self.size - 1

    cdef void place(self, int64_t number) noexcept nogil:
        cdef uint64_t hash = self.entries[number].hash
        cdef uint64_t i = (hash ^ (hash >> 32)) & self.mask
        while self.slots[i]:
            i = (i + 1) & self.mask
        self.slots[i] = <uint32_t>(number + 1)

    cdef bint grow(self, int64_t length) noexcept nogil:
        """Make room for one word more; false where there is no memory. At most half of the slots are taken."""
        cdef void* p
        cdef int64_t i
        if self.size >= 0x7FFFFFFE:
            return False
        if self.bytes + length > self.text_room:
            p = realloc(self.text, 2 * (self.text_room + length))
            if p == NULL:
                return False
            self.text, self.text_room = <unsigned char*>p, 2 * (self.text_room + length)
        if self.size == self.room:
            p = realloc(self.entries, 2 * self.room * sizeof(Entry))
            if p == NULL:
                return False
            self.entries, self.room = <Entry*>p, 2 * self.room
        if <uint64_t>(2 * self.size) > self.mask:
            p = malloc(2 * (self.mask + 1) * sizeof(uint32_t))
            if p == NULL:
                return False
            free(self.slots)
            self.slots, self.mask = <uint32_t*>p, 2 * self.mask + 1
            memset(self.slots, 0, (self.mask + 1) * sizeof(uint32_t))
            for i in range(self.size):
                self.place(i)
        return True

    def count(self, block):
        """Count the words of a block of text, new ones too; returns (words, lines that have some)."""
        cdef Borrowed source = bytes_of(block)
        cdef int64_t words = 0, lines = 0
        cdef bint good
        with nogil:
            good = self.scan(<const unsigned char*>source.buffer.buf, source.buffer.len, NULL, &words, &lines) >= 0
        if not good:
            raise MemoryError(f"WordTable: no memory for more than {self.size} words")
        return words, lines

    def encode(self, block):
        """The numbers of the words of a block of text that are in the table, int32; -1 stands after each line with some.

        Returns (numbers, words read).
        """
        cdef Borrowed source = bytes_of(block), target
        cdef int64_t words = 0, lines = 0, n
        ids = np.empty(source.buffer.len + 2, np.int32)     # a word and what parts it from the next, 2 bytes at least
        target = bytes_of(ids, True)
        with nogil:
            n = self.scan(<const unsigned char*>source.buffer.buf, source.buffer.len, <int32_t*>target.buffer.buf, &words,
                          &lines)
        return ids[:n], words

    cdef int64_t scan(self, const unsigned char* p, int64_t length, int32_t* ids, int64_t* words,
                      int64_t* lines) noexcept nogil:
        """Go through the words: counts them, or with `ids` writes their numbers; returns how many, -1 without memory."""
        cdef const unsigned char* end = p + length
        cdef const unsigned char* start
        cdef int64_t n = 0, inside = 0, number
        cdef uint64_t hash
        cdef int kind
        while p < end:
            kind = KIND[p[0]]
            if kind == LEAD:
                kind = wide_space(p, end)
                if kind:
                    p += kind
                    continue
            elif kind:
                p += 1
                if kind == NEWLINE and inside:
                    lines[0] += 1
                    inside = 0
                    if ids != NULL:
                        ids[n] = -1
                        n += 1
                continue
            start, hash = p, NO_BYTES
            while p < end:
                if KIND[p[0]] and (KIND[p[0]] != LEAD or wide_space(p, end)):
                    break
                hash = hashed(hash, p[0])
                p += 1
            words[0] += 1
            number = self.find(start, p - start, hash, ids == NULL)
            if ids == NULL:
                if number < 0:
                    return -1
                self.entries[number].count += 1
                inside = 1
            elif number >= 0:
                ids[n] = <int32_t>number
                n += 1
                inside = 1
        if inside:
            lines[0] += 1
            if ids != NULL:
                ids[n] = -1
                n += 1
        return n

    def words(self, int64_t least=1):
        """(words, their counts) of those that came `least` times, in the order in which they first came."""
        cdef int64_t i
        cdef list words = [], counts = []
        cdef Entry* e
        for i in range(self.size):
            e = &self.entries[i]
            if e.count >= least:
                words.append((<const char*>(self.text + e.start))[:e.length])
                counts.append(e.count)
        return words, counts


cdef uint64_t hash_of(const unsigned char* p, int64_t length) noexcept nogil:
    cdef uint64_t hash = NO_BYTES
    cdef int64_t i
    for i in range(length):
        hash = hashed(hash, p[i])
    return hash
