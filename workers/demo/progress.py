"""Progress bars on the terminal: what is under way, how fast, how long it still takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column


class Task:
    """One bar."""

    def __init__(self, progress: Progress, key: TaskID, unit: str) -> None:
        self._progress, self._key, self._unit = progress, key, unit

    def advance(self, count: int) -> None:
        """So many more are done."""
        self._progress.advance(self._key, count)
        task = self._progress.tasks[self._progress.task_ids.index(self._key)]
        rate = f", {task.speed:.1f}/s" if task.speed else ""
        done = min(task.completed, task.total or 0)
        self._progress.update(self._key, says=f"{done:.0f} of {task.total or 0:.0f} {self._unit}{rate}")

    def share(self, share: float, says: str) -> None:
        """So much of the whole, and what there is to say."""
        self._progress.update(self._key, completed=share, total=1.0, says=says)

    def done(self) -> None:
        """The bar is full."""
        task = self._progress.tasks[self._progress.task_ids.index(self._key)]
        self._progress.update(self._key, total=task.total or 1.0, completed=task.total or 1.0)


class Board:
    """All bars; where the output is no terminal, a line for each that ends."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """A bar while the work goes on."""
        columns = (
            TextColumn("{task.description:<36}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[says]}", style="dim", table_column=Column(no_wrap=True)),
        )
        with Progress(*columns, console=self.console) as progress:
            yield Task(progress, progress.add_task(title, total=total, says=""), unit)
