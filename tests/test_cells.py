"""Tables read in C: the same as Python's csv module reads, number for number and line for line; tables of arrays."""
import struct

import numpy as np
import pytest

from cdl._core.cells import Cells, scan
from cdl.data import Table, TableEncoder, parse_table, read_table
from cdl.data.table import _parsed
from cdl.data.table_columns import FileCells, categories_of, numbers_of
from cdl.io import FileFormatError


def outcome(read, text):
    """What a reader makes of a text: the table's columns and lines, or its message."""
    try:
        table = read(text)
    except FileFormatError as error:
        return str(error)
    numbers = {name: numbers_of(cells) for name, cells in table.columns.items()}
    numbers = {name: None if n is None else n.tolist() for name, n in numbers.items()}
    texts = {name: (sorted(categories_of(cells)[0]), [categories_of(cells)[0][i] for i in categories_of(cells)[1]])
             for name, cells in table.columns.items()}
    return {name: list(cells) for name, cells in table.columns.items()}, table.lines, repr(numbers), texts


def slow(text):
    return _parsed(text, "table", None)


# Pieces that tables are made of, and spoilt with.
PIECES = ["a", "b", "1", "2.5", "-3e2", ",", ",", ",", ";", "\t", "\n", "\n", "\r\n", "\r", '"', '"', '""', " ", "NA", "", "é",
          "\xa0", "nan", "x y", "?", "0", ".", "e5", "\x1c", "\u2003", "\0", "'", "\ufeff", "日本", "N/A", "1_0"]
CELLS = [*PIECES[:5], '"q,""r"', " 7 ", '"5"', "", "NA", '" NA "', '"x\ny"', "é", " \xa01\u2003", "#N/A"]


@pytest.mark.parametrize("seed", range(20))
def test_every_text_is_read_as_the_csv_module_reads_it(seed):
    rng = np.random.default_rng(seed)
    plain = 0
    for _ in range(400):
        text = "a,b\n" * (rng.random() < 0.7) + "".join(rng.choice(PIECES, rng.integers(1, 30)))
        assert outcome(parse_table, text) == outcome(slow, text), repr(text)
    for _ in range(200):    # most of these are good ones
        rows, ends = rng.integers(1, 6), rng.choice(["\n", "\r\n", "\r"])
        cells = [["h1", "h2", ' "h 3"'], *([rng.choice(CELLS) for _ in range(3)] for _ in range(rows))]
        text = ends.join(",".join(row) for row in cells) + ends * int(rng.integers(0, 3))
        assert outcome(parse_table, text) == outcome(slow, text), repr(text)
        plain += scan(text.encode(), ",") is not None
    assert plain > 100


def test_what_is_plain_is_read_in_c_and_what_is_not_is_left():
    for text in ("a,b\n1,2\n", 'a,b\r\n1,"x, ""y"""\r\n\r\n', "a,b\r1,\n", "\n \na,b\n1,2"):
        assert scan(text.encode(), ",") is not None and type(parse_table(text).columns["a"]) is FileCells
    for text in ("a\n1\n", "a,b\n1\n", 'a,b\n1,"2\n', 'a,b\n1,2"3\n', 'a,b\n1,"2"3\n', "a,b\n1,\0\n", 'a,b\n""\n1,2\n', "",
                 "\n", "a,b\n1," + "x" * 131_073):
        assert scan(text.encode(), ",") is None
    assert scan(b"a|b", "||") is None and scan(b"a b", " ") is None and scan("aéb".encode(), "é") is None


def decimal_texts(rng, count):
    """Numbers as programs write them, and as they do not."""
    doubles = struct.unpack(f"{count}d", rng.bytes(8 * count))
    yield from (repr(x) for x in doubles if np.isfinite(x))
    yield from (repr(float(x)) for x in rng.standard_normal(count))
    yield from (f"{x:.{d}f}" for x, d in zip(rng.standard_normal(count) * 1e6, rng.integers(0, 18, count), strict=True))
    yield from (f"{x:.{d}g}" for x, d in zip(rng.lognormal(0, 20, count), rng.integers(1, 22, count), strict=True))
    yield from (str(x) for x in rng.integers(-2**63, 2**63 - 1, count))
    for _ in range(count):
        digits = "".join(map(str, rng.integers(0, 10, rng.integers(1, 25))))
        point = int(rng.integers(0, len(digits) + 1))
        exponent = f"e{rng.integers(-340, 330)}" * bool(rng.integers(2))
        yield rng.choice(["", "+", "-"]) + digits[:point] + "." + digits[point:] + exponent


def test_numbers_are_those_of_float():
    """Exactly, with every last bit: also just beside and at halves between two doubles."""
    texts = list(decimal_texts(np.random.default_rng(0), 4000))
    for k in range(53, 64):     # halves, and their neighbours
        texts += [str((1 << k) + (1 << (k - 53)) + d) for d in (-1, 0, 1)]
        texts += [f"{((1 << k) + (1 << (k - 53)) + d)}e-{e}" for d in (-1, 0, 1) for e in (1, 9, 22, 27, 28)]
    texts += ["0", "-0", "0.0", "00012", ".5", "5.", "1e0", "1E+2", "1e-2", "9007199254740993", "1e22", "1e23", "123e27",
              "1e28", "1.7976931348623157e308", "5e-324", "2.2250738585072011e-308", "0e999999", "1e999999", "1e-999999",
              "0" * 50 + "1"]
    table = parse_table("n,x\n" + "".join(f"{text},\n" for text in texts))
    assert type(table.columns["n"]) is FileCells
    found, wanted = numbers_of(table.columns["n"]), np.array([float(text) for text in texts])
    np.testing.assert_array_equal(found.view(np.int64), wanted.view(np.int64))


@pytest.mark.parametrize("cell", ["1_0", "inf", "-inf", "infinity", "0x10", "1e", "e5", ".", "+", "-.", "1.2.3", "1 2", "٣",
                                  "1,5", "--1", "1e+", "NaN1", "-nan", "1d5", "½"])
def test_what_is_no_number(cell):
    table = parse_table(f'n,x\n1,\n"{cell}",\n')
    assert numbers_of(table.columns["n"]) is None and type(table.columns["n"]) is FileCells


def test_missing_words():
    for word in ("", "NA", "na", "N/A", "n/A", "NaN", "null", "NULL", "None", "<NA>", "#N/A", "?", "-", " ", "\xa0",
                 "\u2003na"):
        table = parse_table(f"n,x\n1,a\n{word},{word}\n")
        assert table.columns["n"] == ["1", ""] and table.columns["x"] == ["a", ""]
        assert np.isnan(numbers_of(table.columns["n"])).tolist() == [False, True]


def test_many_categories():
    names = [f"name {i % 5003}" for i in range(20_000)]
    table = parse_table("n,c\n" + "".join(f"1,{name}\n" for name in names))
    texts, codes = categories_of(table.columns["c"])
    assert texts == names[:5003] and [texts[code] for code in codes] == names
    rows = np.array([5, 19_999, 0])
    assert table.take(rows).columns["c"] == [names[i] for i in rows] == table.take(rows).take([0, 1, 2]).columns["c"]
    assert table.take([-1]).columns["c"] == [names[-1]] and table.take([2]).lines == [4]


def test_columns_behave_as_lists():
    column = parse_table("a,b\n1,x\n2,\n3,y\n").columns["b"]
    assert column == ["x", "", "y"] != ["x", "y"] and column[1:] == ["", "y"] and column[-1] == "y" and "y" in column
    assert len(column) == 3 and column.index("y") == 2 and repr(column) == "['x', '', 'y']"
    assert list(reversed(column)) == ["y", "", "x"]
    with pytest.raises(IndexError):
        column[3]
    with pytest.raises(TypeError):
        hash(column)
    assert repr(parse_table("a,b\n" + "1,x\n" * 99).columns["b"]).endswith("… 99 in all]")


def test_cells_by_wrong_places():
    cells = scan(b"a,b\n1,2\n", ",")
    for use in (lambda: cells.text_at(2, 0), lambda: cells.text_at(0, 1), lambda: cells.text_at(0, -2),
                lambda: cells.numbers(-1), lambda: cells.numbers(0, np.array([1])), lambda: cells.codes(0, np.array([-1])),
                lambda: Cells().text_at(0, -1)):
        with pytest.raises(IndexError, match="Cells"):
            use()
    with pytest.raises(TypeError):
        cells.numbers(0, [0])
    assert cells.codes(0, limit=0) is None and Cells().rows == 0 and Cells().header() == []


def test_a_large_file(tmp_path):
    rng = np.random.default_rng(0)
    n = 50_000
    x, c = rng.standard_normal(n), rng.integers(0, 30, n)
    (tmp_path / "t.csv").write_text("x,c,y\n" + "".join(f"{a!r},c{b},{a * 2!r}\n" for a, b in zip(x.tolist(), c, strict=True)))
    table = read_table(tmp_path / "t.csv")
    encoded = TableEncoder("y").fit(table).transform(table, dtype=np.float64)
    np.testing.assert_array_equal(encoded.x[:, 0], x)
    np.testing.assert_array_equal(encoded.y, x * 2)
    assert encoded.x.shape == (n, 31) and (encoded.x[:, 1:].sum(1) == 1).all()


# --- tables of arrays -------------------------------------------------------------------------------------------------
COLUMNS = {"n": [1.0, np.nan, 3.0, 4.0], "i": [1, 2, 3, 4], "flag": [True, False, True, True], "c": ["u", "NA", "v", "u"],
           "day": np.array(["2024-05-31", "NaT", "2024-06-01", "2024-05-31"], "M8[D]"), "y": ["a", "b", "a", "b"]}


def structured():
    arrays = {name: np.asarray(values) for name, values in COLUMNS.items()}
    out = np.zeros(4, [(name, values.dtype) for name, values in arrays.items()])
    for name, values in arrays.items():
        out[name] = values
    return out


def frame():
    return pytest.importorskip("pandas").DataFrame(COLUMNS)


@pytest.mark.parametrize("make", [lambda: COLUMNS, structured, frame], ids=["dict", "structured", "pandas"])
def test_tables_of_arrays(make):
    encoder = TableEncoder("y").fit(make())
    names = encoder.feature_names
    assert names[:5] == ["n", "i", "flag", "c=?", "c=u"] and names[6] == "day=?" and names[7].startswith("day=2024-05-31")
    x, y, _ = encoder.transform(make())
    assert x[:, :6].tolist() == [[1, 1, 1, 0, 1, 0], [np.float32(8 / 3), 2, 0, 1, 0, 0], [3, 3, 1, 0, 0, 1], [4, 4, 1, 0, 1, 0]]
    assert y.tolist() == [0, 1, 0, 1] and encoder.classes == ["a", "b"]
    table = Table.from_columns(make())
    assert table.take([2]).columns["c"] == ["v"] and table.columns["n"] == ["1.0", "", "3.0", "4.0"]
    assert table.lines == [0, 1, 2, 3]


def test_tables_of_pandas_own_types():
    pandas = pytest.importorskip("pandas")
    data = pandas.DataFrame({"n": pandas.array([1, None, 3], "Int64"), "c": pandas.Categorical(["u", None, "u"]),
                             "s": pandas.array(["p", None, "q"], "string"), "y": [1.5, 2.5, 3.5]}, index=[7, 8, 9])
    encoder = TableEncoder("y").fit(data)
    assert encoder.feature_names == ["n", "c=?", "c=u", "s=?", "s=p", "s=q"]
    np.testing.assert_array_equal(encoder.transform(data).x[:, 0], [1, 2, 3])


@pytest.mark.parametrize("data, error, words", [
    ([1, 2], TypeError, "expected a dict of columns, a data frame or a structured array, got list"),
    ({"a": [1], "b": [1, 2]}, ValueError, "one length, got {'a': 1, 'b': 2}"), ({"a": []}, ValueError, "there are no rows"),
    ({}, ValueError, "there are no columns"),
    ({"a": [1j]}, TypeError, "'a' must hold numbers, texts or dates, got dtype complex"),
    ({"a": [[1, 2]]}, TypeError, "one value a row"), ({"a": np.ma.array([1.0])}, TypeError, "masked"),
    ({"a": np.array([1], "m8[s]")}, TypeError, "timedelta64"),
])
def test_tables_that_are_none(data, error, words):
    with pytest.raises(error, match=words):
        Table.from_columns(data)


def test_rows_of_arrays_are_called_rows():
    with pytest.raises(FileFormatError, match="table: row 1, column 'x': 'inf' is too large a number"):
        TableEncoder("y").fit({"x": [1.0, np.inf], "y": [1.5, 2.5]})
    encoder = TableEncoder("y").fit({"x": [1.0, 2.0], "y": ["a", "b"]})
    with pytest.raises(FileFormatError, match="row 1, column 'y': 'c' is none of the classes a, b"):
        encoder.transform({"x": [1.0, 2.0], "y": ["a", "c"]})
    with pytest.raises(TypeError, match=r"TableEncoder.transform: expected a Table.*got ndarray"):
        encoder.transform(np.ones((2, 2)))


# --- what the encoder was taught --------------------------------------------------------------------------------------
TABLE = parse_table("zip,colour,empty,same,y\n10,red,,1,0.5\n20,blue,NA,1,1.5\n10,red,,1,2.5\n")


def test_what_is_odd_is_remarked():
    encoder = TableEncoder("y").fit(TABLE)
    assert encoder.remarks == ["column 'empty' holds no value and is left out", "column 'same' holds one value only and tells "
                               "nothing"]
    assert encoder.feature_names == ["zip", "colour=blue", "colour=red", "same"]
    assert TableEncoder("y").fit(TABLE.take([0, 1]).take([0, 1])).remarks == encoder.remarks
    assert TableEncoder("y").fit(parse_table("x,c,y\n1,u,2.5\n,u,3.5\n")).remarks == [
        "column 'x' holds one value only and tells nothing", "column 'c' holds one value only and tells nothing"]


def test_numbers_that_are_categories():
    encoder = TableEncoder("y", categorical="zip", drop=["empty", "same", "colour"]).fit(TABLE)
    assert encoder.feature_names == ["zip=10", "zip=20"] and encoder.transform(TABLE).x.tolist() == [[1, 0], [0, 1], [1, 0]]
    again = TableEncoder.from_state_dict(encoder.state_dict())
    assert again.transform(TABLE).x.tolist() == encoder.transform(TABLE).x.tolist()
    with pytest.raises(ValueError, match="no column 'zap'; did you mean 'zip'"):
        TableEncoder("y", categorical=["zap"]).fit(TABLE)
    with pytest.raises(FileFormatError, match="'zip' has 2 different texts, more than the 1"):
        TableEncoder("y", categorical="zip", max_categories=1).fit(TABLE)


def test_unseen_categories_are_zeros_or_told():
    later = parse_table("zip,colour,same\n10,read,1\n10,,1\n")
    assert TableEncoder("y").fit(TABLE).transform(later).x[:, 1:3].tolist() == [[0, 0], [0, 0]]
    strict = TableEncoder("y", unknown="error").fit(TABLE)
    for encoder in (strict, TableEncoder.from_state_dict(strict.state_dict())):
        with pytest.raises(FileFormatError, match=r"line 2, column 'colour': 'read' is none of the categories blue, red; "
                           r"did you mean 'red'\?"):
            encoder.transform(later)
    with pytest.raises(FileFormatError, match="line 3, column 'colour': 'a missing value' is none"):
        strict.transform(parse_table("zip,colour,same\n10,red,1\n10,,1\n"))
    with pytest.raises(ValueError, match=r"unknown must be 'zeros' or 'error', got 'errors'; did you mean 'error'\?"):
        TableEncoder("y", unknown="errors")


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M"])
def test_dates_are_called_dates(form):
    import datetime
    days = [(datetime.datetime(2024, 1, 1) + datetime.timedelta(n)).strftime(form) for n in range(150)]
    table = parse_table("day,y\n" + "".join(f"{day},{n / 7}\n" for n, day in enumerate(days)))
    with pytest.raises(FileFormatError, match="'day' holds 150 dates, which are no categories; make numbers of them first"):
        TableEncoder("y").fit(table)
    few = parse_table("day,y\n" + "".join(f"{days[n % 3]},{n / 7}\n" for n in range(30)))
    assert len(TableEncoder("y").fit(few).feature_names) == 3


def test_true_and_false_in_a_file_are_categories():
    encoder = TableEncoder("y").fit(parse_table("b,y\ntrue,1.5\nfalse,2.5\n"))
    assert encoder.feature_names == ["b=false", "b=true"]
