"""Tables: reading, checking, splitting and scaling them."""

from kansym.data.dataset import Dataset
from kansym.data.joining import joined
from kansym.data.options import TableOptions
from kansym.data.readers import READERS, as_dataset, from_frame, read_features, read_table
from kansym.data.scaler import Scaler
from kansym.data.split import Split, split_rows
from kansym.data.units import split_header, split_headers

__all__ = [
    "READERS",
    "Dataset",
    "Scaler",
    "Split",
    "TableOptions",
    "as_dataset",
    "from_frame",
    "joined",
    "read_features",
    "read_table",
    "split_header",
    "split_headers",
    "split_rows",
]
