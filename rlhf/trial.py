"""Does a model compute for several texts at once what it computes for each alone? It is tried when it is loaded.

Models differ in what they make of masks, of positions and of texts that share a row, and what they get wrong they get
wrong without a word. So every way of computing that is faster than one text at a time is tried on a few short texts,
the first that is right is taken, and a model with which none is right is refused. This module knows neither the ways
nor where they are used.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from rlhf.chat_format import first_line
from rlhf.config import InputError
from rlhf.model_config import context_of

Way = TypeVar("Way")

# settings that are read with every pass: how far a token looks, or at how many tokens
_WINDOWS = ("sliding_window", "attention_chunk_size", "index_topk")
_BUILT_IN = "window_size"  # the same, read when the model is built
_NARROW = 4
_LENGTHS = (5, 8, 12, 16)  # two of them well beyond a narrowed window

# what a model that cannot be computed so ends in
FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)

# How far two results may lie apart, as a share of their spread. Eight binary digits through some dozens of layers, and
# experts chosen by a hair's breadth in a third of the tokens, must pass; wrong masks are off by 0.2 and more.
_EXACT, _ROUGH, _ROUGH_SHARE = 1e-3, 0.1, 2 / 3


def first_right(
    model: Any,
    ways: Iterable[Way],
    compute: Callable[[Way], Sequence[Tensor]],
    alone: Callable[[], Sequence[Tensor]],
    *,
    exact: bool,
    purpose: str,
) -> Way:
    """The first of `ways` by which `compute` gives what is right: what `alone` gives, text by text.

    Both give tensors (vectors, width). `exact`: the numbers are float32. A way that ends in an error is a wrong one.
    Raises InputError, with the `purpose` in its sentence, where no way is right or the model cannot be computed.
    """
    name = type(model).__name__
    another = "take a model of another kind (docs/architectures.md names those that were tried)"
    try:
        expected = alone()
    except FAILURES as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise InputError(f"{name} cannot be used {purpose}: {first_line(error)}; {another}") from error
    if not all(bool(part.isfinite().all()) for part in expected):
        raise InputError(f"the weights of this {name} are broken: it computes numbers that are not finite")
    for way in ways:
        try:
            found = compute(way)
        except torch.OutOfMemoryError:
            raise
        except FAILURES:
            continue
        if all(agrees(mine, right, exact=exact) for mine, right in zip(found, expected, strict=True)):
            return way
    raise InputError(
        f"{name} cannot be used {purpose}: of texts of unequal length it computes something else together than of each "
        f"alone; {another}"
    )


def agrees(found: Tensor, expected: Tensor, *, exact: bool) -> bool:
    """Whether two results, (vectors, width), are the same up to rounding, whatever their scale."""
    found, expected = (values.float() - values.float().mean(dim=-1, keepdim=True) for values in (found, expected))
    error = (found - expected).norm(dim=-1) / expected.norm(dim=-1).clamp_min(1e-12)
    return bool(error.max() <= _EXACT if exact else error.quantile(_ROUGH_SHARE, interpolation="lower") <= _ROUGH)


def texts(models: Sequence[Any]) -> list[list[int]]:
    """Token ids of four texts of unequal length, two of them longer than how far a token of the models looks back."""
    configs = [model.config.get_text_config() for model in models]
    room = min(context_of(config) or 1 << 30 for config in configs)
    reach = max(getattr(config, _BUILT_IN, None) or 0 for config in configs)
    highest = min(1000, *(int(config.vocab_size) for config in configs))
    generator = torch.Generator().manual_seed(0)
    lengths = [min(length + (reach if length > 2 * _NARROW else 0), room) for length in _LENGTHS]
    return [torch.randint(min(3, highest - 1), highest, (length,), generator=generator).tolist() for length in lengths]


@contextmanager
def narrow_windows(models: Sequence[Any], longest: int = 1 << 30) -> Iterator[None]:
    """Lets each token look at a few before it only where it looks at so many, so that short texts try that too.

    Windows that no text of `longest` tokens would notice stay as they are.
    """
    changed: list[tuple[Any, str, int]] = []
    for model in models:
        for holder in (model.config.get_text_config(), *model.modules()):
            for name in _WINDOWS:
                width = vars(holder).get(name)
                if isinstance(width, int) and _NARROW < width < longest:
                    setattr(holder, name, _NARROW)
                    changed.append((holder, name, width))
    try:
        yield
    finally:
        for holder, name, width in changed:
            setattr(holder, name, width)
