"""What a reward model says of responses, by its command in a child process: scores, and features for live heads."""

from typing import Any

import numpy as np

from app.rewards.head_queries import Features
from workers.runs.attempt import Attempt, Progress
from workers.runs.follow import JsonLines, write_lines
from workers.runs.threads import threads_for


def scores_of(
    attempt: Attempt, rows: list[dict[str, Any]], settings: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[Features]]:
    """Rows of prompt and response with a reward model's scores, and what its trunk makes of those that have a
    response_id."""
    if not rows:
        return [], []
    scored, kept = JsonLines(attempt.folder / "scores.jsonl"), attempt.folder / "features.npz"
    files = {"data": str(attempt.folder / "to-score.jsonl"), "output": str(scored.path), "features": str(kept)}
    write_lines(attempt.folder / "to-score.jsonl", rows)
    attempt.call(["rlhf.evaluate", "score"], settings | files, Progress, threads_for("sampling"))
    found = scored.new()
    with np.load(kept) as read:
        states = zip(read["rows"].tolist(), read["states"], read["tokens"].tolist(), strict=True)
        ids = [row.get("response_id") for row in rows]
        features = [
            Features(ids[place], each.tobytes(), tokens) for place, each, tokens in states if ids[place] is not None
        ]
    return found, features
