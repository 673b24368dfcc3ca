"""HelpSteer 2 (preferences) and 3: a strength from -3, the first is much better, to 3.

HelpSteer 3 tells each annotator's score: those are the judgements, and the overall one stays in the metadata.
"""

from collections.abc import Iterator, Mapping

from formats.fields import Fields, as_number, as_text, signed
from formats.layouts.base import Layout, columns, comparison
from formats.records import BadRow, ComparisonRecord

_MOST = 3.0


def _two(fields: Fields) -> Iterator[ComparisonRecord]:
    before = fields.prompt()
    responses = fields.responses(before, ("response_1", "response_2"))
    score = fields.number("preference_strength")
    rationale = fields.text("preference_elaboration")
    judged = [] if score is None else [signed(score, _MOST, rationale=rationale)]
    yield comparison(fields, before, responses, judged)


def _three(fields: Fields) -> Iterator[ComparisonRecord]:
    before = fields.prompt("context")
    responses = fields.responses(before, ("response1", "response2"))
    judged, rest = [], []
    for said in fields.list("individual_preference"):
        if not isinstance(said, Mapping):
            raise BadRow('"individual_preference" has something that is no object with a score.')
        rest.append({k: v for k, v in said.items() if k not in ("score", "reasoning") and v not in (None, "")})
        if (score := as_number(said.get("score"), "score")) is not None:
            judged.append(signed(score, _MOST, raters=1, rationale=as_text(said.get("reasoning"), "reasoning")))
    if not judged and (overall := fields.number("overall_preference")) is not None:
        judged.append(signed(overall, _MOST))
    record = comparison(fields, before, responses, judged)
    if any(rest):
        record.metadata["individual_preference"] = rest
    yield record


LAYOUTS = (
    Layout("helpsteer2", "HelpSteer 2", "labels", columns("prompt response_1 response_2 preference_strength"), _two),
    Layout("helpsteer3", "HelpSteer 3", "labels", columns("context response1 response2 overall_preference"), _three),
)
