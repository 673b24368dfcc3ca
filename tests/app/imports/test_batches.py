"""Batches are bounded by the number of rows and by their size: large rows need no more memory than small ones."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imports import batches as module
from app.imports.batches import MOST_CHARACTERS, Row, batches, characters
from app.imports.reading import opened
from app.models import ImportConfig
from formats import Refusal
from formats.containers import arrow
from tests.asking import asking


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 9))
def test_every_row_is_in_one_batch_in_its_order_and_no_batch_is_too_large(sizes: list[int], most: int) -> None:
    rows: list[Row] = [(number, Refusal(number, "No.", "x" * size)) for number, size in enumerate(sizes, start=1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_CHARACTERS", 50)
        found = list(batches(iter(rows), most))
    assert [row for batch in found for row in batch] == rows
    for batch in found:
        assert 1 <= len(batch) <= most
        assert sum(characters(row) for _, row in batch[:-1]) < 50
    for batch in found[:-1]:
        assert len(batch) == most or sum(characters(row) for _, row in batch) >= 50


def test_two_hundred_rows_of_five_megabytes_come_two_at_a_time(tmp_path: Path) -> None:
    """Whatever part of them is large: here a column that nobody reads."""
    file = tmp_path / "file"
    large = json.dumps({"prompt": "Why?", "notes": {"text": ["x" * 5_000_000]}})
    with file.open("w") as lines:
        lines.writelines(f"{large}\n" for _ in range(20))  # the bound is met by the first
    rows = opened(file, ImportConfig(file="", name="file", what="prompts"), asking()).rows()
    assert [len(batch) for batch in batches(rows, 500)] == [2] * 10
    assert MOST_CHARACTERS < 10_000_000


def test_large_rows_of_parquet_are_decoded_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    whole = arrow._values

    def seen(batch: pyarrow.RecordBatch) -> list[dict[str, object] | str]:
        decoded.append(batch.num_rows)
        return whole(batch)

    monkeypatch.setattr(arrow, "_values", seen)
    for size, count in ((2_000_000, 8), (10, 256)):
        decoded.clear()
        rows = [{"prompt": f"{n} {'x' * size}"} for n in range(300 if size == 10 else 20)]
        file = tmp_path / f"{size}.parquet"
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist(rows), file, compression="none", use_dictionary=False, row_group_size=len(rows)
        )
        with file.open("rb") as source:
            assert len(list(arrow.parquet_rows(source))) == len(rows)
        assert max(decoded) <= count
        assert decoded[0] >= count // 2
