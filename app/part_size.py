"""How much of a long task goes in one transaction: what this machine does in a moment, as busy as it is just now. Knows
no table."""

AIM = 0.3  # seconds, which somebody who labels may have to wait
# Times as much as at first, at most: a transaction's locks and memory are bounded too. And times less: where the time
# goes elsewhere, as to a disk that is slow at each commit, ever smaller parts would never come to an end.
MORE, LESS = 20, 20


class PartSize:
    """So many rows of one kind are to go in the next transaction: less at once where one took too long, twice as many
    at most where it was quick."""

    def __init__(self, first: int) -> None:
        self.rows, self._least, self._most = first, max(1, first // LESS), first * MORE

    def took(self, seconds: float) -> None:
        """How long the last one was, its commit included."""
        factor = min(2.0, AIM / max(seconds, 0.001))
        self.rows = max(self._least, min(self._most, int(self.rows * factor)))
