"""Data: the digits that come with the package, readers for MNIST and tables, splitting and preprocessing."""
from .digits import load_digits
from .encoder import TableEncoder
from .idx import load_mnist, read_idx, write_idx
from .preprocess import StandardScaler
from .split import train_test_split
from .table import Table, parse_table, read_table

__all__ = ["StandardScaler", "Table", "TableEncoder", "load_digits", "load_mnist", "parse_table", "read_idx",
           "read_table", "train_test_split", "write_idx"]
