"""The cells of text tables: where they are, which numbers they say, which of them are the same.

A table's text stays as it was read; of each cell only its end is kept. Whatever is not plain (a quote within a field, a row
of another length, NUL) is left to Python's csv module, which then says what is wrong: `scan` returns None.
"""
from libc.math cimport NAN
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy

from cdl._core.gate cimport Borrowed, bytes_of

import numpy as np

cdef extern from "<float.h>" nogil:
    int LDBL_MANT_DIG

cdef enum:
    LONGEST = 131072        # the csv module's limit of a field
    DIGITS = 19             # decimal digits that a uint64 holds
    POWER = 27              # of 10, the largest that 64 bits of mantissa hold
    FIRST_SLOTS = 1 << 10

cdef long double[POWER + 1] POWERS

# --- where cells are --------------------------------------------------------------------------------------------------
cdef struct Scan:
    const unsigned char* text
    Py_ssize_t size, columns, rows, count, room, lines, line_room
    uint32_t* ends          # of each cell, in the order of the text
    uint32_t* line          # of each row, the line on which it ends
    unsigned char delimiter


cdef void fill_powers() noexcept:
    cdef int i
    POWERS[0] = 1
    for i in range(POWER):
        POWERS[i + 1] = POWERS[i] * 10


fill_powers()


cdef inline bint is_blank(unsigned char c) noexcept nogil:
    """What str.strip takes off, in ASCII."""
    return c == 32 or 9 <= c <= 13 or 28 <= c <= 31


cdef bint keep(Scan* s, Py_ssize_t end) noexcept nogil:
    cdef void* more
    if s.count == s.room:
        s.room = max(1024, s.room * 2)
        more = realloc(s.ends, s.room * sizeof(uint32_t))
        if more == NULL:
            return False
        s.ends = <uint32_t*>more
    s.ends[s.count] = <uint32_t>end
    s.count += 1
    return True


cdef bint keep_line(Scan* s, Py_ssize_t line) noexcept nogil:
    cdef void* more
    if s.lines == s.line_room:
        s.line_room = max(1024, s.line_room * 2)
        more = realloc(s.line, s.line_room * sizeof(uint32_t))
        if more == NULL:
            return False
        s.line = <uint32_t*>more
    s.line[s.lines] = <uint32_t>line
    s.lines += 1
    return True


cdef Py_ssize_t quoted_end(Scan* s, Py_ssize_t i, Py_ssize_t* line) noexcept nogil:
    """Where a field ends whose quote opens before i; -1 where it is not closed, or more than its end follows."""
    cdef const unsigned char* text = s.text
    cdef unsigned char c
    while i < s.size:
        c = text[i]
        i += 1
        if c == 34:
            if i == s.size or text[i] == s.delimiter or text[i] == 10 or text[i] == 13:
                return i
            if text[i] != 34:
                return -1
            i += 1
        elif c == 0:
            return -1
        elif c == 10 or (c == 13 and not (i < s.size and text[i] == 10)):
            line[0] += 1
    return -1


cdef bint scan_text(Scan* s) noexcept nogil:
    """Whether all of the text is plain; the ends of all cells then."""
    cdef const unsigned char* text = s.text
    cdef unsigned char delimiter = s.delimiter, c
    cdef Py_ssize_t i = 0, size = s.size, line = 0, start, cell, row
    cdef bint quoted
    while i < size:
        row, cell, quoted = i, s.count, False
        while True:
            start = i
            while i < size and text[i] == 32:
                i += 1
            if i < size and text[i] == 34:
                quoted = True
                i = quoted_end(s, i + 1, &line)
                if i < 0:
                    return False
            else:
                while i < size:
                    c = text[i]
                    if c == delimiter or c == 10 or c == 13:
                        break
                    if c == 34 or c == 0:
                        return False
                    i += 1
            if i - start > LONGEST or not keep(s, i):
                return False
            if i >= size or text[i] != delimiter:
                break
            i += 1
        line += 1
        start = i
        if i < size:
            i += 2 if text[i] == 13 and i + 1 < size and text[i + 1] == 10 else 1
        if s.count - cell == 1:
            if quoted:
                return False    # blanks in quotes would be an empty line, and be taken for part of the next cell
            while row < start and is_blank(text[row]):
                row += 1
            if row == start:
                s.count = cell      # an empty line
                continue
        if s.columns == 0:
            s.columns = s.count - cell
        elif s.count - cell != s.columns:
            return False
        if not keep_line(s, line):
            return False
    s.rows = s.lines - 1
    return s.rows >= 0


# --- what they say ----------------------------------------------------------------------------------------------------
cdef struct Column:
    const unsigned char* text
    const uint32_t* ends        # of all cells
    const int64_t* rows         # which rows, or NULL for all
    Py_ssize_t columns, column, count, first

cdef struct Cell:
    const unsigned char* text
    Py_ssize_t size
    bint quoted


cdef inline Cell cell_at(Column* c, Py_ssize_t i) noexcept nogil:
    """A cell without blanks and quotes around it; quotes within are doubled still."""
    cdef Cell cell
    cdef Py_ssize_t at = ((c.rows[i] if c.rows != NULL else i) + c.first) * c.columns + c.column
    cdef Py_ssize_t start = c.ends[at - 1] + 1 if at else 0, end = c.ends[at]
    while start < end and is_blank(c.text[start]):
        start += 1
    while end > start and is_blank(c.text[end - 1]):
        end -= 1
    cell.quoted = end - start >= 2 and c.text[start] == 34
    if cell.quoted:
        start += 1
        end -= 1
        while start < end and is_blank(c.text[start]):
            start += 1
        while end > start and is_blank(c.text[end - 1]):
            end -= 1
    cell.text, cell.size = c.text + start, end - start
    return cell


cdef bint is_word(const unsigned char* text, const char* word, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        if (text[i] | 32 if 65 <= text[i] <= 90 else text[i]) != word[i]:
            return False
    return True


cdef inline bint is_missing(Cell c) noexcept nogil:
    if c.size > 4:
        return False
    if c.size == 0:
        return True
    if c.size == 1:
        return c.text[0] == 63 or c.text[0] == 45
    if c.size == 2:
        return is_word(c.text, b"na", 2)
    if c.size == 3:
        return is_word(c.text, b"n/a", 3) or is_word(c.text, b"nan", 3)
    return (is_word(c.text, b"null", 4) or is_word(c.text, b"none", 4) or is_word(c.text, b"<na>", 4)
            or is_word(c.text, b"#n/a", 4))


cdef int number_of(Cell c, double* out) noexcept nogil:
    """0: the cell is the number out; 1: a number for Python to read; 2: none."""
    cdef const unsigned char* p = c.text
    cdef const unsigned char* end = p + c.size
    cdef bint negative = False, down = False
    cdef uint64_t mantissa = 0, bits
    cdef int digits = 0, seen = 0, power = 0, exponent = 0
    cdef long double value
    if p < end and (p[0] == 43 or p[0] == 45):
        negative = p[0] == 45
        p += 1
    while p < end and 48 <= p[0] <= 57:
        if digits or p[0] != 48:
            digits += 1
        mantissa = mantissa * 10 + (p[0] - 48)
        seen += 1
        p += 1
    if p < end and p[0] == 46:
        p += 1
        while p < end and 48 <= p[0] <= 57:
            if digits or p[0] != 48:
                digits += 1
            mantissa = mantissa * 10 + (p[0] - 48)
            power -= 1
            seen += 1
            p += 1
    if not seen:
        return 2
    if p < end and (p[0] | 32) == 101:
        p += 1
        if p < end and (p[0] == 43 or p[0] == 45):
            down = p[0] == 45
            p += 1
        if p == end:
            return 2
        while p < end and 48 <= p[0] <= 57:
            exponent = min(exponent * 10 + (p[0] - 48), 100000)
            p += 1
        power += -exponent if down else exponent
    if p != end:
        return 2
    if mantissa == 0 and digits == 0:
        out[0] = -0.0 if negative else 0.0
        return 0
    if digits > DIGITS or not -POWER <= power <= POWER:
        return 1
    if mantissa <= 1ULL << 53 and -22 <= power <= 22:      # a double holds both, and their quotient is rounded once
        out[0] = (<double>mantissa / <double>POWERS[-power] if power < 0 else <double>mantissa * <double>POWERS[power])
    elif LDBL_MANT_DIG != 64:
        return 1
    else:
        # Both are exact in 64 bits of mantissa, and the quotient or product is rounded to these once. Rounding it to 53
        # then is right unless it seems to lie halfway, within the one bit that the first rounding may be off.
        value = <long double>mantissa
        value = value / POWERS[-power] if power < 0 else value * POWERS[power]
        memcpy(&bits, &value, 8)
        if 0x3ff <= (bits & 0x7ff) <= 0x401:
            return 1
        out[0] = <double>value
    if negative:
        out[0] = -out[0]
    return 0


cdef Py_ssize_t read_numbers(Column* c, double* out, Py_ssize_t i, int* kind) noexcept nogil:
    """Read cells from the i-th on; returns that at which it stops, for Python to look at."""
    cdef Cell cell
    for i in range(i, c.count):
        cell = cell_at(c, i)
        kind[0] = number_of(cell, out + i)
        if kind[0]:
            if not is_missing(cell):
                return i
            out[i] = NAN
    return c.count


# --- which are the same -----------------------------------------------------------------------------------------------
cdef struct Known:
    Py_ssize_t slots, count
    int* table                  # 1 + the number of the text in a slot, 0 where it is free
    Cell* cells                 # the first cell of each text


cdef inline uint64_t hashed(Cell c) noexcept nogil:
    cdef uint64_t h = 14695981039346656037ULL       # FNV-1a
    cdef Py_ssize_t i
    for i in range(c.size):
        h = (h ^ c.text[i]) * 1099511628211ULL
    return h ^ (h >> 32)


cdef bint grow(Known* known) noexcept nogil:
    cdef Py_ssize_t slots = max(FIRST_SLOTS, known.slots * 2), i, at
    cdef int* table = <int*>malloc(slots * sizeof(int))
    cdef void* cells = realloc(known.cells, slots * sizeof(Cell))
    if cells != NULL:
        known.cells = <Cell*>cells
    if table == NULL or cells == NULL:
        free(table)
        return False
    for i in range(slots):
        table[i] = 0
    for i in range(known.count):
        at = hashed(known.cells[i]) & (slots - 1)
        while table[at]:
            at = (at + 1) & (slots - 1)
        table[at] = <int>i + 1
    free(known.table)
    known.table, known.slots = table, slots
    return True


cdef int number_cells(Column* c, Known* known, int* codes, Py_ssize_t limit) noexcept nogil:
    """0 when done, 1 for more than `limit` texts, 2 without memory."""
    cdef Py_ssize_t i, at
    cdef Cell cell, other
    for i in range(c.count):
        if 2 * known.count >= known.slots and not grow(known):
            return 2
        cell = cell_at(c, i)
        if is_missing(cell):
            cell.size = 0
            cell.quoted = False
        at = hashed(cell) & (known.slots - 1)
        while known.table[at]:
            other = known.cells[known.table[at] - 1]
            if other.size == cell.size and memcmp(other.text, cell.text, cell.size) == 0:
                break
            at = (at + 1) & (known.slots - 1)
        if not known.table[at]:
            if known.count == limit:
                return 1
            known.cells[known.count] = cell
            known.count += 1
            known.table[at] = <int>known.count
        codes[i] = known.table[at] - 1
    return 0


# --- a table's cells --------------------------------------------------------------------------------------------------
cdef class Cells:
    """The text of a table and where its cells are; `scan` makes it.

    Attributes
    ----------
    rows, columns : int
        Without the header, which is row -1.
    """
    cdef bytes text
    cdef Scan s

    def __dealloc__(self):
        free(self.s.ends)
        free(self.s.line)

    @property
    def rows(self):
        return self.s.rows

    @property
    def columns(self):
        return self.s.columns

    def header(self):
        """The texts of the first row, blanks around them removed."""
        return [self.text_at(column, -1) for column in range(self.s.columns)]

    def lines(self):
        """For each row, without the header, the line of the text on which it ends."""
        return [self.s.line[i + 1] for i in range(self.s.rows)]

    def line_at(self, Py_ssize_t row):
        """The line on which a row ends."""
        self.check(0, row)
        return self.s.line[row + 1]

    def text_at(self, Py_ssize_t column, Py_ssize_t row):
        """A cell as text, blanks around it removed."""
        self.check(column, row)
        cdef Column c = self.at(column, None, self.s.rows)
        return text_of(cell_at(&c, row))

    def numbers(self, Py_ssize_t column, rows=None):
        """The cells as float64, missing ones NaN; None where one is not a plain number."""
        cdef Borrowed some = self.chosen(rows)
        cdef Py_ssize_t count = self.s.rows if rows is None else len(rows), i = 0
        self.check(column, -1)
        cdef Column c = self.at(column, some, count)
        cdef int kind = 0
        out = np.empty(count)
        cdef Borrowed target = bytes_of(out, True)
        cdef double* values = <double*>target.buffer.buf
        while True:
            with nogil:
                i = read_numbers(&c, values, i, &kind)
            if i == count:
                return out
            text = text_of(cell_at(&c, i))
            if kind == 2 and not read_again(text, values + i, &kind):
                return None
            if kind == 1:
                values[i] = float(text)
            i += 1

    def codes(self, Py_ssize_t column, rows=None, Py_ssize_t limit=-1):
        """(the different texts in the order in which they appear, the number of each cell's among them, int32).

        A missing one is "". None where there are more texts than `limit`, unless that is negative.
        """
        cdef Borrowed some = self.chosen(rows)
        cdef Py_ssize_t count = self.s.rows if rows is None else len(rows)
        self.check(column, -1)
        cdef Column c = self.at(column, some, count)
        cdef Known known
        cdef int state
        out = np.empty(count, np.int32)
        cdef Borrowed target = bytes_of(out, True)
        cdef int* codes = <int*>target.buffer.buf
        known.slots = known.count = 0
        known.table, known.cells = NULL, NULL
        try:
            with nogil:
                state = number_cells(&c, &known, codes, limit)
            if state == 2:
                raise MemoryError(f"Cells.codes: {count} cells")
            return None if state == 1 else ([text_of(known.cells[i]) for i in range(known.count)], out)
        finally:
            free(known.table)
            free(known.cells)

    cdef Column at(self, Py_ssize_t column, Borrowed rows, Py_ssize_t count):
        cdef Column c
        c.text, c.ends = <const unsigned char*><const char*>self.text, self.s.ends
        c.rows, c.count = NULL if rows is None else <const int64_t*>rows.buffer.buf, count
        c.columns, c.column, c.first = self.s.columns, column, 1
        return c

    cdef int check(self, Py_ssize_t column, Py_ssize_t row) except -1:
        if not (0 <= column < self.s.columns and -1 <= row < self.s.rows):
            raise IndexError(f"Cells: row {row}, column {column} of {self.s.rows} rows, {self.s.columns} columns")
        return 0

    cdef Borrowed chosen(self, rows):
        if rows is None:
            return None
        if type(rows) is not np.ndarray or rows.dtype != np.int64 or rows.ndim != 1:
            raise TypeError("Cells: rows must be an array of int64")
        if rows.size and not 0 <= rows.min() <= rows.max() < self.s.rows:
            raise IndexError(f"Cells: rows must be from 0 to {self.s.rows - 1}")
        return bytes_of(np.ascontiguousarray(rows))


def scan(bytes text not None, str delimiter not None):
    """The `Cells` of a text whose first row is the header, or None where the text is not plain.

    A cell begins after the end of the one before and what ends that. None also for tables of one column, and for texts of
    4 GiB.
    """
    cdef Cells cells = Cells.__new__(Cells)
    cdef Scan* s = &cells.s
    cdef bint plain
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in ' "\r\n\0' or len(text) >= 1 << 32:
        return None
    cells.text = text
    s.text, s.size, s.delimiter = <const unsigned char*><const char*>text, len(text), <unsigned char>ord(delimiter)
    with nogil:
        plain = scan_text(s)
    return cells if plain and s.columns > 1 else None


cdef object text_of(Cell cell):
    found = (<const char*>cell.text)[:cell.size].decode("utf-8")
    return (found.replace('""', '"') if cell.quoted else found).strip()


cdef bint read_again(str text, double* out, int* kind):
    """Whether a cell without the blanks beyond ASCII that `strip` takes off is a number, or missing, after all."""
    cdef bytes plain = text.encode()
    cdef Cell cell
    cell.text, cell.size, cell.quoted = <const unsigned char*><const char*>plain, len(plain), False
    kind[0] = number_of(cell, out)
    if kind[0] == 2 and is_missing(cell):
        out[0], kind[0] = NAN, 0
    return kind[0] != 2
