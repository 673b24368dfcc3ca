"""The reward model: a language model's trunk with a score read at the last token of a conversation.

In memory it carries one or more heads (an ensemble on one trunk); on disk it is a plain transformers folder for
`AutoModelForSequenceClassification(num_labels=1)` with the mean of the heads as its head, which for linear heads
gives the mean of their scores, and the heads themselves beside it in `heads.st`.
It does not know where texts come from or how it is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from rlhf.batches import Batch, Group, collate, length_buckets, pack
from rlhf.checkpoints import whole
from rlhf.model_files import save_model, save_tokenizer
from rlhf.trial import first_right, narrow_windows, texts
from rlhf.trunk import attend_by_span, last_states, states_alone

# In the format of safetensors under another name: servers load all `*.safetensors` of a folder as the model's weights.
HEADS_FILE = "heads.st"
Layout = Literal["packed", "shared", "apart"]


class RewardModel(nn.Module):
    """Scores token sequences.

    hf: a sequence classifier of transformers whose `score` is a linear layer without bias, one row for each head.
    autocast: compute the trunk in this number format while the weights keep theirs (None: in their own).
    layout: how it reads groups, found out by `find_layout`: packed into one row, in a row for each group, or with a
    row and the prefix anew for each sequence.
    """

    def __init__(self, hf: PreTrainedModel, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self.hf = hf
        self.autocast = autocast
        self.layout = "apart"
        self._no_split_modules = hf._no_split_modules  # accelerate shards a model by these layers

    @property
    def heads(self) -> int:
        return int(self.head_weight().shape[0])

    @property
    def reads_whole(self) -> bool:
        """Whether it was trained elsewhere (`rlhf.outside_reward`): its score is read where the chat template ends."""
        return getattr(self.hf.config, "std", None) is None

    @property
    def device(self) -> torch.device:
        return cast(torch.device, self.hf.device)

    @property
    def rows(self) -> int:
        """How many tokens it knows."""
        return int(cast(Any, self.hf.get_input_embeddings()).weight.shape[0])

    @property
    def pad_id(self) -> int:
        return int(self.hf.config.pad_token_id)

    def head_weight(self) -> Tensor:
        """(heads, width), looking through the wrapper that peft puts around a head that is trained beside LoRA."""
        score = cast(Any, self.hf).score
        return cast(Tensor, getattr(score, "modules_to_save", {"default": score})["default"].weight)

    def forward(self, batch: Batch) -> Tensor:
        """Scores in float32, (sequences, heads), in the order of groups and branches."""
        with self._precision():
            hidden = self._trunk(batch)
        # The head stays out of autocast: bfloat16 would leave a score three digits.
        with torch.autocast(self.device.type, enabled=False):
            return nn.functional.linear(hidden[batch.end_rows, batch.end_columns].float(), self.head_weight().float())

    def _precision(self) -> Any:
        return torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None)

    def _trunk(self, batch: Batch) -> Tensor:
        """Hidden states of the last layer, (rows, length, width)."""
        return last_states(cast(Any, self.hf).base_model, batch)

    @property
    def layout(self) -> Layout:
        return self._layout

    @layout.setter
    def layout(self, layout: Layout) -> None:
        attend_by_span(self.hf, layout == "packed")
        self._layout: Layout = layout

    @property
    def packs(self) -> bool:
        return self.layout == "packed"

    def batch(self, groups: Sequence[Group]) -> Batch:
        """The groups as this model reads them, on its device."""
        batch = pack(groups) if self.packs else collate(groups, self.pad_id, shared=self.layout == "shared")
        return batch.to(self.device)

    @torch.no_grad()
    def find_layout(self, max_length: int, *, share: bool = True) -> Layout:
        """Sets and returns `layout`, the fastest in which each sequence scores as it does alone.

        `max_length`: of the sequences to come. `share`: may what sequences have in common be computed once? Tried
        out rather than looked up by name (`rlhf.trial`). Raises InputError where not even rows of their own will do.
        """
        one, two, three, four = texts([self.hf])
        groups = [Group(two, [three, one]), Group([], [four])]
        layouts: list[Layout] = ["packed", "shared", "apart"] if share else ["apart"]
        if share and not attend_by_span(self.hf, True):
            layouts.remove("packed")
        with narrow_windows([self.hf], max_length):
            self.layout = first_right(
                self.hf,
                layouts,
                partial(self._states, groups),
                partial(self._states_alone, groups),
                exact=self.autocast is None and self.hf.dtype == torch.float32,
                purpose="as a reward model",
            )
        return self.layout

    def _states(self, groups: Sequence[Group], layout: Layout) -> list[Tensor]:
        """States of all branches, one (tokens, width), read in this layout."""
        self.layout = layout
        batch = self.batch(groups)
        branches = [branch for group in groups for branch in group.branches]
        ends = zip(batch.end_rows.tolist(), batch.end_columns.tolist(), branches, strict=True)
        with self._precision():
            states = self._trunk(batch)
        return [torch.cat([states[row, column + 1 - len(branch) : column + 1] for row, column, branch in ends])]

    def _states_alone(self, groups: Sequence[Group]) -> list[Tensor]:
        """The same, each sequence read by itself with the model's own attention."""
        attend_by_span(self.hf, False)
        trunk = cast(Any, self.hf).base_model
        sequences = [(group.prefix, branch) for group in groups for branch in group.branches]
        with self._precision():
            parts = [states_alone(trunk, [*prefix, *branch])[len(prefix) :] for prefix, branch in sequences]
        return [torch.cat(parts)]

    @torch.no_grad()
    def score(self, groups: Sequence[Group], token_budget: int = 4096) -> list[Tensor]:
        """Scores of each group's branches: one (branches, heads) tensor on the CPU for each group, in order."""
        return self._of_branches(groups, token_budget, lambda batch, _: self(batch))

    @torch.no_grad()
    def states(self, groups: Sequence[Group], token_budget: int = 4096) -> list[Tensor]:
        """What the trunk makes of each group's branches: one (branches, 2, width) tensor in float32 on the CPU for each
        group, in order. [:, 0] is the mean over a branch's tokens, [:, 1] the state at its end, which is scored."""
        return self._of_branches(groups, token_budget, self._branch_states)

    @torch.no_grad()
    def score_states(self, states: Tensor) -> Tensor:
        """The scores that belong to `states` of branches: (branches, 2, width) to (branches, heads)."""
        return nn.functional.linear(states[:, 1], self.head_weight().float().to(states.device))

    def _branch_states(self, batch: Batch, groups: Sequence[Group]) -> Tensor:
        with self._precision():
            hidden = self._trunk(batch)
        lengths = [len(branch) for group in groups for branch in group.branches]
        ends = zip(batch.end_rows.tolist(), batch.end_columns.tolist(), lengths, strict=True)
        parts = [hidden[row, column + 1 - length : column + 1].float() for row, column, length in ends]
        return torch.stack([torch.stack([part.mean(dim=0), part[-1]]) for part in parts])

    def _of_branches(
        self, groups: Sequence[Group], token_budget: int, compute: Callable[[Batch, Sequence[Group]], Tensor]
    ) -> list[Tensor]:
        results: list[Tensor] = [torch.empty(0)] * len(groups)
        for bucket in length_buckets([len(group) for group in groups], token_budget, padded=not self.packs):
            chosen = [groups[index] for index in bucket]
            found = compute(self.batch(chosen), chosen).cpu()
            for index, part in zip(bucket, torch.split(found, [len(g.branches) for g in chosen]), strict=True):
                results[index] = part
        return results

    def save(
        self, folder: Path, tokenizer: PreTrainedTokenizerBase, mean: float, std: float, write: bool = True
    ) -> None:
        """Writes the transformers folder (weights of LoRA already merged); mean and std of scores go to its config.

        Processes that share the model must all call it, with `write` in one of them.
        """
        state = {name.removeprefix("hf."): whole(tensor) for name, tensor in self.state_dict().items()}
        if not write:
            return
        weights = state["score.weight"]
        config = self.hf.config
        config.mean, config.std, config.heads = mean, std, len(weights)
        config.problem_type = "regression"  # the pipeline of transformers then gives the raw score
        config.use_cache = True
        state["score.weight"] = weights.mean(dim=0, keepdim=True)
        save_model(self.hf, folder, state_dict=state)
        save_tokenizer(tokenizer, folder)
        if len(weights) > 1:
            save_file({"weight": weights}, folder / HEADS_FILE)
