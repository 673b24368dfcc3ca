"""Three to eight responses, from the best to the worst."""

from app.annotation.ranking.kind import RANKING
from app.annotation.ranking.value import RankingValue

__all__ = ["RANKING", "RankingValue"]
