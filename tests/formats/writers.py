"""Rows of each layout, written from what they should be read as."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from formats import Messages


@dataclass(frozen=True)
class Pair:
    """A prompt of one turn, two responses, and which of them is better."""

    prompt: str
    first: str
    second: str
    outcome: str

    @property
    def messages(self) -> Messages:
        return [{"role": "user", "content": self.prompt}]

    def side(self, first: Any, second: Any, tie: Any, both_bad: Any = None) -> Any:
        """What stands for the outcome."""
        return {"first": first, "second": second, "tie": tie, "both_bad": both_bad}[self.outcome]


User = dict[str, Any]


def user(text: str) -> User:
    return {"role": "user", "content": text}


def assistant(text: str) -> User:
    return {"role": "assistant", "content": text}


def _whole(p: Pair) -> dict[str, Any]:
    return {"chosen": [user(p.prompt), assistant(p.first)], "rejected": [user(p.prompt), assistant(p.second)]}


def _arena(p: Pair) -> dict[str, Any]:
    return {
        "model_a": "m1", "model_b": "m2", "winner": p.side("model_a", "model_b", "tie", "tie (bothbad)"), "turn": 1,
        "conversation_a": [user(p.prompt), assistant(p.first)], "conversation_b": [user(p.prompt), assistant(p.second)],
    }  # fmt: skip


def _label_studio(p: Pair) -> dict[str, Any]:
    result = {"type": "pairwise", "from_name": "c", "to_name": "answer1,answer2"}
    value = {"selected": p.side("left", "right", None)}
    return {
        "id": 1, "data": {"prompt": p.prompt, "answer1": p.first, "answer2": p.second},
        "annotations": [{"completed_by": 7, "was_cancelled": False, "result": [{**result, "value": value}]}],
    }  # fmt: skip


def _argilla(p: Pair) -> dict[str, Any]:
    answer = {"value": p.side("response1", "response2", "tie"), "user_id": "7", "status": "submitted"}
    return {
        "id": "r", "fields": {"prompt": p.prompt, "response1": p.first, "response2": p.second},
        "responses": {"preference": [answer]},
    }  # fmt: skip


def _argilla_flat(p: Pair) -> dict[str, Any]:
    return {
        "id": "r", "status": "completed", "prompt": p.prompt, "response1": p.first, "response2": p.second,
        "preference.responses": [p.side("response1", "response2", "tie")],
        "preference.responses.users": ["7"], "preference.responses.status": ["submitted"],
    }  # fmt: skip


def _oasst(p: Pair) -> dict[str, Any]:
    ranks = p.side((0, 1), (1, 0), (0, 0))
    replies = [
        {"message_id": str(i), "role": "assistant", "text": text, "rank": rank, "replies": []}
        for i, (text, rank) in enumerate(zip((p.first, p.second), ranks, strict=True))
    ]
    root = {"message_id": "0", "role": "prompter", "text": p.prompt, "replies": replies}
    return {"message_tree_id": "t", "prompt": root}


def _ultrafeedback(p: Pair) -> dict[str, Any]:
    scores = p.side((9, 2), (2, 9), (5, 5))
    completions = [
        {"model": f"m{i}", "response": text, "overall_score": score, "annotations": {"honesty": {"Rating": str(score)}}}
        for i, (text, score) in enumerate(zip((p.first, p.second), scores, strict=True))
    ]
    return {"instruction": p.prompt, "completions": completions}


def _hone(p: Pair) -> dict[str, Any]:
    return {
        "label": 1, "item": p.side(1, 2, 3, 4), "purpose": "train", "prompt": [user(p.prompt)], "annotator": 3,
        "responses": [{"position": place, "text": text} for place, text in enumerate((p.first, p.second))],
        "preferences": [{"question": "", "first": 0, "second": 1, "outcome": p.outcome}],
    }  # fmt: skip


CLEAR = ("first",)
BOTH = ("first", "second")
TIES = (*BOTH, "tie")
BAD = (*TIES, "both_bad")

# The outcomes that a layout can say, and its row.
LAYOUTS: dict[str, tuple[tuple[str, ...], Callable[[Pair], dict[str, Any]]]] = {
    "hone-labels": (BAD, _hone),
    "labelstudio": (BOTH, _label_studio),
    "labelstudio-min": (
        TIES,
        lambda p: {
            "id": 1, "prompt": p.prompt, "answer1": p.first, "answer2": p.second, "annotator": 7, "annotation_id": 8,
            "comparison": p.side("left", "right", "tie"),
        },
    ),
    "argilla": (TIES, _argilla),
    "argilla-flat": (TIES, _argilla_flat),
    "oasst": (TIES, _oasst),
    "openai-comparisons": (
        BOTH,
        lambda p: {
            "info": {"post": p.prompt}, "choice": p.side(0, 1, None),
            "summaries": [{"text": p.first, "policy": "m1"}, {"text": p.second, "policy": "m2"}],
        },
    ),
    "openai-preference": (
        CLEAR,
        lambda p: {
            "input": {"messages": [user(p.prompt)]}, "preferred_output": [assistant(p.first)],
            "non_preferred_output": [assistant(p.second)],
        },
    ),
    "pku": (
        BOTH,
        lambda p: {
            "prompt": p.prompt, "response_0": p.first, "response_1": p.second,
            "better_response_id": p.side(0, 1, None),
        },
    ),
    "shp": (
        BOTH,
        lambda p: {
            "history": p.prompt, "human_ref_A": p.first, "human_ref_B": p.second, "labels": p.side(1, 0, None),
        },
    ),
    "webgpt": (
        TIES,
        lambda p: {
            "question": {"full_text": p.prompt}, "answer_0": p.first, "answer_1": p.second,
            "score_0": p.side(0.5, -0.5, 0.0), "score_1": p.side(-0.5, 0.5, 0.0),
        },
    ),
    "arena": (BAD, _arena),
    "helpsteer2": (
        TIES,
        lambda p: {
            "prompt": p.prompt, "response_1": p.first, "response_2": p.second,
            "preference_strength": p.side(-2, 3, 0),
        },
    ),
    "helpsteer3": (
        TIES,
        lambda p: {
            "context": [user(p.prompt)], "response1": p.first, "response2": p.second,
            "overall_preference": p.side(-2, 3, 0), "individual_preference": [{"score": p.side(-2, 3, 0)}],
        },
    ),
    "ultrafeedback": (TIES, _ultrafeedback),
    "distilabel": (
        TIES,
        lambda p: {
            "instruction": p.prompt, "generations": [p.first, p.second], "ratings": p.side([5, 1], [1, 5], [3, 3]),
        },
    ),
    "nectar": (
        TIES,
        lambda p: {
            "prompt": f"\n\nHuman: {p.prompt}\n\nAssistant: ",
            "answers": [
                {"answer": p.first, "model": "m1", "rank": p.side(1, 2, 1)},
                {"answer": p.second, "model": "m2", "rank": p.side(2, 1, 1)},
            ],
        },
    ),
    "alpaca-eval": (
        TIES,
        lambda p: {
            "instruction": p.prompt, "output_1": p.first, "output_2": p.second, "preference": p.side(1, 2, 1.5),
        },
    ),
    "judged": (
        TIES,
        lambda p: {
            "prompt": p.prompt, "response_a": p.first, "response_b": p.second, "preference": p.side(1, 0, 0.5),
        },
    ),
    "choice": (
        BAD,
        lambda p: {
            "prompt": p.prompt, "response_a": p.first, "response_b": p.second,
            "choice": p.side("a", "b", "tie", "both bad"),
        },
    ),
    "ultrafeedback-binarized": (
        CLEAR,
        lambda p: {"prompt": p.prompt, **_whole(p), "score_chosen": 8.0, "score_rejected": 3.0},
    ),
    "llamafactory": (
        CLEAR,
        lambda p: {
            "conversations": [{"from": "human", "value": p.prompt}], "chosen": {"from": "gpt", "value": p.first},
            "rejected": {"from": "gpt", "value": p.second},
        },
    ),
    "distilabel-dpo": (CLEAR, lambda p: {"instruction": p.prompt, **_whole(p)}),
    "trl": (CLEAR, lambda p: {"prompt": p.prompt, "chosen": p.first, "rejected": p.second}),
    "trl-implicit": (CLEAR, _whole),
}  # fmt: skip
