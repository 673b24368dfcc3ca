"""The three models of PPO in one module: the policy, its frozen reference, and the value model.

Sequences are prompt + response, one after the other in one row, none seeing another; where a model cannot do that, in
rows of their own, padded on the right, where no real token sees it. The language head runs on response positions only.
Everything that training changes lives in one `PolicyModel`, so that accelerate can wrap it whole. This module does not
know rewards, losses or the sampler.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from rlhf.batches import Batch, Group, collate, pack, share_prompts
from rlhf.config import InputError
from rlhf.language_head import Head, token_log_probs
from rlhf.trial import agrees, first_right, narrow_windows, texts
from rlhf.trunk import attend_by_span, last_states, states_alone
from rlhf.vocabulary import Vocabulary

Role = Literal["both", "policy", "value", "reference"]

# What logits are multiplied or divided by, and what caps them, where a model's config has it: which of the two, if any,
# is found out with the model.
_SCALES = ("logit_scale", "logits_scaling", "lm_head_multiplier")
_CAPS = ("final_logit_softcapping", "logits_soft_cap")


@dataclass(frozen=True, slots=True)
class ResponseBatch:
    """Conversations as ids, and where their responses are. N response tokens in all, one response after the other."""

    conversations: Batch
    rows: Tensor  # (N,) the row a token is in
    positions: Tensor  # (N,) the column whose state the token was sampled in: the one before it
    targets: Tensor  # (N,) the tokens sampled


def token_batch(
    sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]], device: torch.device, *, packed: bool = False
) -> ResponseBatch:
    """Sequences in a row each or `packed` into one row; of each the tokens in the `wanted` places, no first one."""
    groups = [Group([], [sequence]) for sequence in sequences]
    batch = pack(groups) if packed else collate(groups, pad_id=0)
    rows: list[int] = []
    positions: list[int] = []
    targets: list[int] = []
    ends = zip(batch.end_rows.tolist(), batch.end_columns.tolist(), strict=True)
    for sequence, places, (row, end) in zip(sequences, wanted, ends, strict=True):
        before = end - len(sequence)  # the column before the first token
        rows += [row] * len(places)
        positions += [before + place for place in places]
        targets += [sequence[place] for place in places]
    return ResponseBatch(
        batch.to(device), *(torch.tensor(column, device=device) for column in (rows, positions, targets))
    )


def response_batch(
    prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], device: torch.device, *, packed: bool = False
) -> ResponseBatch:
    """Prompts and their responses, all of one token or more, in a row each or `packed` into one row."""
    sequences = [[*p, *a] for p, a in zip(prompts, responses, strict=True)]
    wanted = [range(len(p), len(s)) for p, s in zip(prompts, sequences, strict=True)]
    return token_batch(sequences, wanted, device, packed=packed)


def branch_batch(groups: Sequence[Group], device: torch.device, *, packed: bool, shared: bool) -> ResponseBatch:
    """All tokens of all branches, group after group; a prefix, never empty, is computed once where `shared`."""
    if not shared:
        groups = [single for group in groups for single in group.apart()]
    batch = pack(groups) if packed else collate(groups, pad_id=0)
    ends = zip(batch.end_rows.tolist(), batch.end_columns.tolist(), strict=True)
    rows: list[int] = []
    positions: list[int] = []
    start = 0  # of the group in its row
    for group in groups:
        for branch in group.branches:
            row, end = next(ends)
            rows += [row] * len(branch)
            positions += [start + len(group.prefix) - 1, *range(end - len(branch) + 1, end)]
        start += len(group) if packed else 0
    targets = [token for group in groups for branch in group.branches for token in branch]
    return ResponseBatch(
        batch.to(device), *(torch.tensor(column, device=device) for column in (rows, positions, targets))
    )


class PolicyModel(nn.Module):
    """Policy, reference and value model.

    `policy`: a causal language model, plain or wrapped by peft. `reference`: a frozen copy, or None with peft,
    where the policy with its adapters off is the reference. `value_trunk`: a trunk of its own, or None for a value
    head on the policy's trunk; without `values` there is no head, and the policy's role is the only one.
    `vocabulary`: the tokens that can be sampled; None: all that the policy has rows for.
    `compute_dtype`: bfloat16 runs the products of float32 weights in bfloat16.
    """

    def __init__(
        self,
        policy: Any,
        *,
        reference: Any | None,
        value_trunk: Any | None,
        vocabulary: Vocabulary | None = None,
        temperature: float = 1.0,
        head_chunk: int | None = None,
        compute_dtype: torch.dtype = torch.float32,
        values: bool = True,
    ) -> None:
        super().__init__()
        self.policy, self.reference, self.value_trunk = policy, reference, value_trunk
        self.temperature, self.head_chunk, self.compute_dtype = temperature, head_chunk, compute_dtype
        self.vocabulary = vocabulary
        self.scale = 1.0  # of the logits, as `_try_head` finds it, and what caps them
        self.cap: float | None = None
        self._no_split_modules = self.causal._no_split_modules  # accelerate shards a model by these layers
        self.packs = self._find_packing()
        self.shares = False
        self.values = values
        if not values:
            return
        source = self.causal.base_model if value_trunk is None else value_trunk
        self.value_head = nn.Linear(_width(source), 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)

    def batch(self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]) -> ResponseBatch:
        """Prompts and their responses as this model reads them fastest."""
        return response_batch(prompts, responses, self.causal.device, packed=self.packs)

    def together(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], budget: int
    ) -> list[list[int]]:
        """The places of responses that make a group each: neighbours to one prompt, where that may be shared."""
        return (
            share_prompts(prompts, responses, budget) if self.shares else [[place] for place in range(len(responses))]
        )

    def branches(self, groups: Sequence[Group]) -> ResponseBatch:
        """Groups as this model reads them fastest, as `find_sharing` found out."""
        return branch_batch(groups, self.causal.device, packed=self.packs, shared=self.shares)

    @torch.no_grad()
    def find_sharing(self) -> None:
        """Sets `shares`: whether what branches have in common may be computed once, tried out (`rlhf.trial`)."""
        trunk = self.causal.base_model
        one, two, three, four = texts([trunk])
        groups = [Group(two, [three, one]), Group(one, [four])]

        def together(shared: bool) -> list[Tensor]:
            return [self._hidden(trunk, branch_batch(groups, trunk.device, packed=self.packs, shared=shared))]

        def alone() -> list[Tensor]:
            self._attend_by_span(False)
            pairs = [(group.prefix, branch) for group in groups for branch in group.branches]
            states = [states_alone(trunk, [*prefix, *branch])[len(prefix) - 1 : -1] for prefix, branch in pairs]
            self._attend_by_span(self.packs)
            return [torch.cat(states)]

        exact = self.compute_dtype == torch.float32
        with self._precision(self.causal.device), narrow_windows([trunk]):
            self.shares = first_right(
                self.causal, (True, False), together, alone, exact=exact, purpose="to be trained on pairs"
            )

    @torch.no_grad()
    def _find_packing(self) -> bool:
        """Whether conversations may share a row, as `rlhf.trial` finds out.

        Raises InputError where they come out wrong even in rows of their own, or the logits are not the head's product.
        """
        trunks = [trunk for trunk in (self.causal.base_model, self.value_trunk) if trunk is not None]
        rows = texts(trunks)
        exact = self.compute_dtype == torch.float32

        def together(packed: bool) -> list[Tensor]:
            self._attend_by_span(packed)
            prompts, responses = [row[:-3] for row in rows], [row[-3:] for row in rows]
            batch = response_batch(prompts, responses, self.causal.device, packed=packed)
            return [self._hidden(trunk, batch) for trunk in trunks]

        def alone() -> list[Tensor]:
            self._attend_by_span(False)
            return [torch.cat([states_alone(trunk, row)[-4:-1] for row in rows]) for trunk in trunks]

        if self.causal.get_output_embeddings() is None:
            raise InputError(f"{type(self.causal).__name__} cannot be trained to answer: it has no language head")
        if self.causal.base_model is self.causal:
            name = type(self.causal).__name__
            raise InputError(
                f"{name} cannot be used to be trained on responses: its trunk cannot be run apart from its head; "
                "take a model of another kind (docs/architectures.md names those that were tried)"
            )
        with self._precision(self.causal.device), narrow_windows(trunks):
            ways = (True, False) if self._attend_by_span(True) else (False,)
            packs = first_right(self.causal, ways, together, alone, exact=exact, purpose="to be trained on responses")
            self._try_head(rows[-1], exact)
        return packs

    def _try_head(self, row: Sequence[int], exact: bool) -> None:
        """Finds the scale and the cap by which the head's product becomes the model's own logits, or refuses it."""
        row = self.vocabulary.among(row) if self.vocabulary is not None else row
        ids = torch.tensor([row], device=self.causal.device)
        states = states_alone(self.causal.base_model, row)[:-1]
        logits = self.causal(input_ids=ids, use_cache=False).logits[0, :-1].float() / self.temperature
        if self.vocabulary is not None:
            logits = self.vocabulary.restrict(logits)
        expected = logits.log_softmax(dim=-1).gather(1, ids[0, 1:, None]).squeeze(1)

        def error(form: tuple[float, float | None]) -> float:
            self.scale, self.cap = form
            return float((self._head(self.causal, states, ids[0, 1:])[0] - expected).norm())

        self.scale, self.cap = min(_logit_forms(self.causal.config.get_text_config()), key=error)
        found, _ = self._head(self.causal, states, ids[0, 1:])
        if not agrees(found[None], expected[None], exact=exact):
            name = type(self.causal).__name__
            raise InputError(f"{name} is not supported yet: its logits are more than its head's product")

    def _attend_by_span(self, yes: bool) -> bool:
        models = [model for model in (self.causal, self.reference, self.value_trunk) if model is not None]
        able = [attend_by_span(model, yes) for model in models]
        return all(able)

    @property
    def causal(self) -> Any:
        """The policy as transformers knows it, adapters inside."""
        return self.policy.get_base_model() if hasattr(self.policy, "get_base_model") else self.policy

    @property
    def adapted(self) -> bool:
        """Whether adapters are trained, and not the policy's own weights."""
        return self.causal is not self.policy

    def forward(self, batch: ResponseBatch, role: Role = "both") -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Log-probabilities, entropies and values of the N response tokens, each (N,) float32.

        Only what `role` asks for is run, "policy" or "value" alone where they are separate; the rest is None, and so
        are the reference's values. Values are those of the states in which the tokens were sampled.
        """
        with self._precision(batch.targets.device):
            if role == "reference":
                with self._reference_model() as model:
                    return *self._head(model, self._hidden(model.base_model, batch), batch.targets), None
            if role == "value":
                return None, None, self._values(self._hidden(self.value_trunk, batch))
            hidden = self._hidden(self.causal.base_model, batch)
            log_probs, entropy = self._head(self.causal, hidden, batch.targets)
            if role == "policy" or not self.values:
                return log_probs, entropy, None
            if self.value_trunk is not None:
                hidden = self._hidden(self.value_trunk, batch)
            return log_probs, entropy, self._values(hidden)

    def _values(self, hidden: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            return nn.functional.linear(hidden.float(), self.value_head.weight, self.value_head.bias).squeeze(1)

    def _hidden(self, trunk: Any, batch: ResponseBatch) -> Tensor:
        return last_states(trunk, batch.conversations)[batch.rows, batch.positions]

    def _head(self, model: Any, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        layer = model.get_output_embeddings()
        size = None if self.vocabulary is None else self.vocabulary.size
        weight, bias = layer.weight[:size].to(self.compute_dtype), getattr(layer, "bias", None)
        if bias is not None:
            bias = bias[:size].to(self.compute_dtype)
        head = Head(weight, bias, self.scale, self.cap, self.vocabulary)
        hidden = hidden.to(self.compute_dtype)
        chunk = self.head_chunk or (256 if hidden.device.type == "cpu" else 2048)
        return token_log_probs(hidden, head, targets, temperature=self.temperature, chunk=chunk)

    def _precision(self, device: torch.device) -> Any:
        if self.compute_dtype == torch.float32:
            return nullcontext()
        return torch.autocast(device.type, self.compute_dtype)

    @contextmanager
    def _reference_model(self) -> Iterator[Any]:
        if self.reference is not None:
            yield self.reference
        else:
            with self.policy.disable_adapter():
                yield self.causal


@torch.no_grad()
def _width(trunk: Any) -> int:
    """How many numbers the states of the last layer have: not in all models as many as the layers inside."""
    return states_alone(trunk, [0]).shape[1]


def _logit_forms(config: Any) -> list[tuple[float, float | None]]:
    """Scales and caps that a model of this config may put on its logits, the plain product first."""
    scales = [1.0]
    for name in _SCALES:
        if isinstance(value := getattr(config, name, None), int | float) and value:
            scales += [float(value), 1 / value]
    caps = [float(value) for name in _CAPS if (value := getattr(config, name, None))]
    return [(scale, cap) for cap in (None, *caps) for scale in scales]


def frozen_copy(model: Any, dtype: torch.dtype) -> Any:
    """A copy that is never trained, in `dtype`."""
    return copy.deepcopy(model).to(dtype).requires_grad_(False).eval()


@torch.no_grad()
def copy_weights(model: PolicyModel, plain: nn.Module) -> None:
    """Writes the policy's own weights into `plain`, a causal model of the same shape in its own dtype.

    Of a model sharded over processes all must ask for this, and each gets the whole.
    """
    target = dict(plain.named_parameters())
    for name, tensor in model.state_dict().items():
        name = name.removeprefix("policy.")
        if name in target:
            target[name].copy_(tensor.full_tensor() if isinstance(tensor, DTensor) else tensor)
