"""Tables: reading them from text files, turning their columns into numbers, and what is refused."""
import json

import numpy as np
import pytest

from cdl.data import TableEncoder, parse_table, read_table
from cdl.io import FileFormatError

# Reading tables.

@pytest.mark.parametrize("text, columns", [
    ("a,b\n1,x\n2,y\n", {"a": ["1", "2"], "b": ["x", "y"]}),
    ("a,b\n1,x\n2,y", {"a": ["1", "2"], "b": ["x", "y"]}),
    ("a;b\r\n1;x\r\n2;y\r\n", {"a": ["1", "2"], "b": ["x", "y"]}),
    ("a\tb\r1\tx\r2\ty\r", {"a": ["1", "2"], "b": ["x", "y"]}),
    ("\n\na , b\n\n 1 ,  x\n2,y \n\n", {"a": ["1", "2"], "b": ["x", "y"]}),
    ('"a, or so", b\n1, "x, ""y""\nz"\n', {"a, or so": ["1"], "b": ['x, "y"\nz']}),
    ('a;"b, c"\n1,5;2\n', {"a": ["1,5"], "b, c": ["2"]}),
    ("a,b\nNA,null\n?,-\nNaN,\n", {"a": [""] * 3, "b": [""] * 3}),
    (",a,b\n0,1,2\n1,3,4\n", {"a": ["1", "3"], "b": ["2", "4"]}),
    ("a\n1\n\n2\n", {"a": ["1", "2"]}),
    ("größe,日本\n1,ü\n", {"größe": ["1"], "日本": ["ü"]}),
])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_are_read_as_programs_write_them(tmp_path, text, columns, encoding):
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    table = read_table(tmp_path / "t.csv")
    assert table.columns == columns and table.names == list(columns) and len(table) == len(next(iter(columns.values())))


def test_delimiter_can_be_given():
    assert parse_table("a|b\n1|2\n", delimiter="|").columns == {"a": ["1"], "b": ["2"]}


def test_delimiter_of_a_table_wider_than_what_is_looked_at():
    for count in (5_000, 40_000):
        names = [f"a{n}" for n in range(count)]
        table = parse_table("\n".join([";".join(names), *[";".join("0" * count)] * 5]))
        assert table.names == names and len(table) == 5


def test_lines_are_those_of_the_file():
    table = parse_table('a,b\n\n1,"x\ny"\n2,z\n')
    assert table.lines == [4, 5] and table.take([1]).lines == [5]


@pytest.mark.parametrize("content, message", [
    (b"", "no column names"),
    (b"\n\n", "no column names"),
    (b"a,b\n", "no rows"),
    (b"a,b\n1,2\n3\n", r"line 3: 1 fields, expected 2 as in the header \(delimiter ','\)"),
    (b"a,b\n1,2,3\n", "line 2: 3 fields, expected 2"),
    (b"a,b,a\n1,2,3\n", "line 1: two columns have the name 'a'"),
    (b'a,b\n1,"2\n3,4\n', "line 2: unexpected end of data"),
    (b'a,b\n1,"2"x\n', "line 2: "),
    (b"a,b\n1,\xff\n", "line 2: not utf-8 text"),
    (b"a,b\n1,2\n\0\0", "NUL bytes"),
    (b"\xff\xfea", "not utf-16 text"),
    (b"a,b\n1," + b"x" * 200_000 + b"\n", "line 2: field larger than field limit"),
])
def test_bad_tables_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_table_paths_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        read_table(tmp_path)


def test_damaged_tables_never_do_more_than_be_refused(tmp_path):
    whole = 'a,b,c\n1,"x ""y""",yes\r\n2.5,NA,no\n,z,no\n4,é,yes\n'.encode("utf-8-sig")
    path = tmp_path / "t.csv"
    rng = np.random.default_rng(0)
    trained = 0
    for trial in range(len(whole) + 500):
        damaged = np.frombuffer(whole[:trial] if trial < len(whole) else whole, np.uint8).copy()
        if trial >= len(whole):
            damaged[rng.integers(len(whole))] ^= rng.integers(1, 256)
        path.write_bytes(damaged.tobytes())
        try:
            table = read_table(path)
            x, y, _ = TableEncoder(table.names[-1]).fit(table).transform(table)
        except FileFormatError:
            continue
        assert np.isfinite(x).all() and len(x) == len(y)
        trained += 1
    assert trained > 100  # most flips only change a value


# Encoding tables.

def encoded(text, target="y", **options):
    table = parse_table(text)
    encoder = TableEncoder(target, **options).fit(table)
    return encoder, encoder.transform(table)


def test_numbers_texts_and_missing_values():
    encoder, (x, y, rows) = encoded("n,c,m,y\n1,u,p,0.5\n,v,,1.5\n4,u,q,-2e1\n1e1,w,p,\n")
    assert encoder.feature_names == ["n", "c=u", "c=v", "m=?", "m=p", "m=q"]
    wanted = [[1, 1, 0, 0, 1, 0], [2.5, 0, 1, 1, 0, 0], [4, 1, 0, 0, 0, 1]]
    np.testing.assert_array_equal(x, np.array(wanted, np.float32), strict=True)
    np.testing.assert_array_equal(y, np.array([0.5, 1.5, -20], np.float32), strict=True)
    np.testing.assert_array_equal(rows, [0, 1, 2])  # the last has no target, and its category w does not count either
    assert encoder.task == "regression" and encoder.classes is None


def test_a_later_table_is_encoded_as_the_fitted_one():
    encoder, _ = encoded("n,c,y\n1,u,a\n3,,b\n")
    later = parse_table("extra,c,n\n7,new,\n8,u,5\n")
    x, y, rows = encoder.transform(later, dtype=np.float64)
    np.testing.assert_array_equal(x, [[2.0, 0, 0], [5, 0, 1]], strict=True)
    assert y is None and list(rows) == [0, 1]


@pytest.mark.parametrize("cells, task, classes", [
    (["yes", "no"], "classification", ["no", "yes"]),
    (["0", "1"] * 2, "classification", [0, 1]),
    (["0.0", "1.00"] * 2, "classification", [0, 1]),
    ([str(n) for n in range(20)] * 2, "classification", list(range(20))),
    ([str(n) for n in range(21)] * 2, "regression", None),      # more than 20
    ([str(n) for n in range(6)], "regression", None),           # each only once
    (["0.5", "1"] * 5, "regression", None),                     # not whole
    (["1", "2", "3+"], "classification", ["1", "2", "3+"]),
    (["1", "a"], "classification", ["1", "a"]),
])
def test_the_targets_type_decides_the_task(cells, task, classes):
    text = "x,y\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells))
    encoder, (_, y, _) = encoded(text)
    assert (encoder.task, encoder.classes) == (task, classes)
    if classes:
        assert y.dtype == np.int64
        assert [encoder.classes[code] for code in y] == [c if type(classes[0]) is str else float(c) for c in cells]


def test_the_task_can_be_said():
    text = "x,y\n1,0\n2,1\n3,0\n4,1\n"
    assert encoded(text)[0].task == "classification"
    encoder, (_, y, _) = encoded(text, task="regression")
    assert encoder.task == "regression" and y.dtype == np.float32
    encoder, (_, y, _) = encoded("x,y\n1,0.5\n2,7\n", task="classification")
    assert encoder.classes == [0.5, 7] and list(y) == [0, 1]


def rows_of(count, cell):
    return "x,name,y\n" + "".join(f"{n},{cell(n)},{n / 7}\n" for n in range(count))


@pytest.mark.parametrize("text, options, message", [
    ("x,y\n1,2\n3,abc\n", {"task": "regression"}, "line 3, column 'y': 'abc' is not a number"),
    (rows_of(30, lambda n: "12abc" if n == 17 else n), {}, "line 19, column 'name': '12abc' is not a number"),
    (rows_of(30, lambda n: "1_000" if n == 17 else n), {}, "line 19, column 'name': '1_000' is not a number"),
    (rows_of(30, lambda n: "inf" if n == 17 else n), {}, "line 19, column 'name': 'inf' is not a number"),
    (rows_of(30, lambda n: "-nan" if n == 17 else n), {}, "line 19, column 'name': '-nan' is not a number"),
    (rows_of(30, lambda n: "٣" if n == 17 else n), {}, "line 19, column 'name': '٣' is not a number"),
    (rows_of(30, lambda n: f"name {n}"), {"max_categories": 29}, "'name' has 30 different texts, more than the 29"),
    ("x;y\n1,5;2\n2;3\n", {}, "line 2, column 'x': numbers must have a decimal point, not a comma"),
    ("x;y\n1;2,5\n2;3\n", {}, "line 2, column 'y': numbers must have a decimal point"),
    ("x,y\n1e400,2\n1,3\n", {}, "line 2, column 'x': '1e400' is too large a number"),
    ("x,y\n1,1e400\n1,3\n", {"task": "classification"}, "line 2, column 'y': '1e400' is too large a number"),
    ("x,y\n1,\n2,NA\n", {}, "target column 'y' holds no values"),
    ("x,y\n1,a\n2,a\n", {}, "holds one class only: 'a'"),
    ("y\n1\n2\n", {}, "no column is left to predict 'y' from"),
    ("x,y\n,1\nNA,2\n", {}, "no column is left"),
    ("x,y\n3,1\n4,2\n", {"drop": "x"}, "no column is left"),
])
def test_tables_that_cannot_be_encoded(text, options, message):
    with pytest.raises(FileFormatError, match=message):
        encoded(text, **options)


def test_more_than_a_float32_holds_is_refused_where_it_stands():
    table = parse_table("x,y\n1e39,2\n1,3\n")
    encoder = TableEncoder("y").fit(table)
    assert encoder.transform(table, dtype=np.float64).x[0, 0] == 1e39
    with pytest.raises(FileFormatError, match="line 2, column 'x': '1e39' is too large a number"):
        encoder.transform(table)


def test_what_a_later_table_cannot_have():
    encoder, _ = encoded("n,y\n1,a\n2,b\n")
    with pytest.raises(FileFormatError, match="line 2, column 'n': 'x' is not a number"):
        encoder.transform(parse_table("n\nx\n"))
    with pytest.raises(FileFormatError, match="line 3, column 'y': 'c' is none of the classes a, b"):
        encoder.transform(parse_table("n,y\n1,a\n1,c\n"))
    with pytest.raises(ValueError, match=r"no column 'n'; did you mean 'nn'\? \(columns: nn\)"):
        encoder.transform(parse_table("nn\n1\n"))


def test_wrong_arguments_of_the_encoder():
    table = parse_table("price,y\n1,2\n2,3\n")
    with pytest.raises(ValueError, match=r"no column 'prise'; did you mean 'price'\? \(columns: price, y\)"):
        TableEncoder("prise").fit(table)
    with pytest.raises(ValueError, match="no column 'z'"):
        TableEncoder("y", drop=["z"]).fit(table)
    with pytest.raises(ValueError, match="task must be"):
        TableEncoder("y", task="cluster")
    with pytest.raises(ValueError, match="call fit first"):
        TableEncoder("y").transform(table)


@pytest.mark.parametrize("text", ["n,c,y\n1,u,a\n3,,b\n", "n,c,y\n1,u,1.5\n3,,2.5\n", "n,y\n1,0\n3,1\n3,1\n4,0\n"])
def test_the_encoder_goes_through_json(text):
    encoder, (x, y, _) = encoded(text)
    again = TableEncoder.from_state_dict(json.loads(json.dumps(encoder.state_dict())))
    x2, y2, _ = again.transform(parse_table(text))
    np.testing.assert_array_equal(x2, x, strict=True)
    np.testing.assert_array_equal(y2, y, strict=True)
    assert again.state_dict() == encoder.state_dict() and again.feature_names == encoder.feature_names


GOOD_STATE = {"target": "y", "task": "regression", "classes": None, "features": {"n": 1.5, "c": ["", "u"]}}


@pytest.mark.parametrize("change", [
    {"target": 3}, {"task": "auto"}, {"task": "classification"}, {"classes": ["a", "b"]}, {"features": []},
    {"features": {"n": "1.5"}}, {"features": {"n": float("nan")}}, {"features": {"c": []}}, {"features": {"c": [1]}},
    {"more": 1}, {"task": "classification", "classes": ["a", 1]}, {"task": "classification", "classes": "ab"},
])
def test_what_is_no_encoders_state(change):
    assert TableEncoder.from_state_dict(GOOD_STATE).feature_names == ["n", "c=?", "c=u"]
    with pytest.raises(ValueError, match="from_state_dict: expected target, task, classes and features"):
        TableEncoder.from_state_dict({**GOOD_STATE, **change})
    with pytest.raises(ValueError, match="from_state_dict"):
        TableEncoder.from_state_dict([])
