"""All points of curves as a CSV file: run, curve, step, value. What does not fit a chart is here, none is left out."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence

from app import db
from app.runs import figures
from app.web.slots import SlottedDownload

ROWS = 5_000  # in a piece that is sent


def download(run_ids: Sequence[int], names: Collection[str] | None) -> SlottedDownload:
    """The file, made while it is sent. `names`: only these curves."""

    def pieces() -> Iterator[bytes]:
        with db.patient_session() as session:
            yield b"run,curve,step,value\r\n"
            for rows in figures.all_points(session, run_ids, names).partitions(ROWS):
                text = io.StringIO()
                csv.writer(text).writerows(rows)
                yield text.getvalue().encode()

    name = f"run-{run_ids[0]}-curves.csv" if len(run_ids) == 1 else "runs-curves.csv"
    return SlottedDownload(pieces, "text/csv; charset=utf-8", name)
