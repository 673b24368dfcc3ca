"""What a project may set about comparisons."""

from typing import Literal

from pydantic import Field

from app.models.kind_settings import KindSettings


class ComparisonSettings(KindSettings):
    """How two responses are compared."""

    share: int = Field(100, ge=0, le=100, title="Share", description="Beside the shares of other kinds; 0 asks none.")
    levels: Literal[0, 2, 3, 4] = Field(
        0,
        title="Scale",
        description="Strengths on each side; 0 asks only which answer is better",
        json_schema_extra={
            "words": [
                "Which one is better",
                "Slightly or much better",
                "Slightly better, better or much better",
                "Four strengths on each side",
            ]
        },
    )
    tie: bool = Field(True, title="Allow a tie", description="Both are equally good: a probability of one half.")
    both_bad: bool = Field(True, title="Allow “both bad”", description="Neither is of use. Kept apart from a tie.")
    submit_on_choice: bool = Field(
        True,
        title="Send a choice at once",
        description="Otherwise it is confirmed with Enter. Undo works either way.",
    )
