"""Read two tables to compare: all rows if they fit in memory, else the same sample of both.

The sample is chosen by the hash of a row's content (or of its key). So a row that both tables have is in both
samples or in neither, and the counts of added and removed rows scale up without bias.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_mlops import tables
from jupyter_mlops.data.cache import read_table, table_errors
from jupyter_mlops.data.meter import Meter
from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

#: Bytes of memory that a table needs per byte of its file: a rule of thumb.
_GROWTH = {".csv": 3.0, ".tsv": 3.0, ".parquet": 6.0, ".pq": 6.0, ".feather": 3.0}
_ROWS = 100_000
_SHARE_OF_MEMORY = 0.25
STREAMED = (".csv", ".tsv", ".parquet", ".pq")


def fraction(sizes: Sequence[tuple[int, str]], most: float = np.inf) -> int:
    """Return 1 if the files fit in memory, or n to read every n-th row of them.

    Args:
        sizes: bytes and suffix of each file.
        most: maximum bytes of memory to fill, if that is less than this machine's share for it.
    """
    wanted = sum(size * _GROWTH.get(suffix, 4.0) for size, suffix in sizes)
    share = wanted / min(_available() * _SHARE_OF_MEMORY, most)
    return 1 if share <= 1 else int(np.ceil(share))


def _available() -> float:
    import psutil  # comes with ipykernel

    return float(psutil.virtual_memory().available)


def read(file: Path, suffix: str, every: int, key: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Return a table, or a sample of one row in `every` chosen by hash, and the table's number of rows.

    Raises:
        MlopsError: it cannot be read as a table.
    """
    with table_errors(file.name, suffix):
        if every == 1:
            table = _csv(file, suffix) if suffix in (".csv", ".tsv") else read_table(file, suffix)
            return table, len(table)
        if suffix not in STREAMED:
            raise MlopsError(
                f"{file.name} does not fit in memory, and {suffix} cannot be read in parts",
                "Save it as parquet or csv",
            )
        return _sampled(file, suffix, every, key)


def column_names(file: Path, suffix: str) -> list[str]:
    """Return a table's columns; none for formats that cannot be read in parts."""
    if suffix in (".parquet", ".pq"):
        import pyarrow.parquet

        return [str(name) for name in pyarrow.parquet.read_schema(file).names]
    if suffix in (".csv", ".tsv"):
        with file.open("rb") as source:
            head = pd.read_csv(source, sep="\t" if suffix == ".tsv" else ",", nrows=0)
        return [str(name) for name in head.columns]
    return []


def _sampled(file: Path, suffix: str, every: int, key: Sequence[str]) -> tuple[pd.DataFrame, int]:
    samples, rows = [], 0
    with Meter(f"reading one row in {every}", size=file.stat().st_size) as meter:
        for chunk, read_bytes in _chunks(file, suffix):
            # An absent key column is reported later, when the rows are matched.
            key_columns = [name for name in key if name in chunk.columns]
            hashes = row_hashes(chunk[key_columns] if key_columns else chunk)
            samples.append(chunk[hashes % every == 0])
            rows += len(chunk)
            meter.add(read_bytes)
    table = pd.concat(samples, ignore_index=True) if samples else pd.DataFrame()
    if suffix in (".csv", ".tsv"):
        # The chunks were read as text: inferred types, and so hashes, would differ between chunks.
        text = table.to_csv(index=False)
        table = _csv(io.StringIO(text), ".csv") if len(table.columns) else table
    return table, rows


def _csv(source: Any, suffix: str, **options: Any) -> Any:
    # pandas' default parser can be wrong in the last digit; the same numbers in parquet would differ.
    separator = "\t" if suffix == ".tsv" else ","
    return pd.read_csv(source, sep=separator, float_precision="round_trip", **options)


def _chunks(file: Path, suffix: str) -> Iterator[tuple[pd.DataFrame, int]]:
    if suffix in (".csv", ".tsv"):
        separator = "\t" if suffix == ".tsv" else ","
        options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "chunksize": _ROWS}
        with file.open("rb") as source:
            last = 0
            for chunk in pd.read_csv(source, sep=separator, **options):
                position = source.tell()
                yield chunk, position - last
                last = position
        return
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file) as source:
        for batch in source.iter_batches(batch_size=_ROWS):
            yield batch.to_pandas(), batch.nbytes


def row_hashes(table: pd.DataFrame) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row's values; 0.0 equals -0.0, and NaN equals NaN."""
    if not len(table.columns):
        return np.zeros(len(table), dtype=np.uint64)
    plain = {}
    for position, (_, column) in enumerate(table.items()):
        plain[position] = hashable(column)
    hashed: Any = pd.util.hash_pandas_object(pd.DataFrame(plain, index=table.index), index=False)
    found: NDArray[np.uint64] = hashed.to_numpy(dtype=np.uint64)
    return found


def hashable(column: Any) -> Any:
    """Return a column in which equal values hash alike: one zero, one missing value."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.is_float_dtype(column.dtype):
        return column + 0.0
    if column.dtype == object:
        column = column.where(column.notna(), None)
        if not column.map(type).isin([str, type(None)]).all():
            # Lists, dicts, decimals and mixed types are compared by their repr.
            return column.map(repr)
    return column


def note(every: int, sizes: Sequence[int], why: str = "would not fit in memory") -> str:
    """Return the note that tells the reader how the tables were sampled."""
    both = " and ".join(tables.size(size) for size in sizes)
    return (
        f"{both} {why}: compared on one row in {every} (the same rows of both), "
        "counts of added and removed rows scaled up"
    )
