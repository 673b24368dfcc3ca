"""What a project may set about rankings."""

from pydantic import Field

from app.models.kind_settings import KindSettings


class RankingSettings(KindSettings):
    """How responses are put in order."""

    responses: int = Field(4, ge=3, le=8, title="Answers", description="How many answers are ranked together.")
    ties: bool = Field(True, title="Allow ties", description="Answers may share a place: a probability of one half.")
