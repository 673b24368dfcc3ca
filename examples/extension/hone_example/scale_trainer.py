"""The training's steps. Apart from its settings, which are known without torch."""

import shutil
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rlhf.checkpoints import publish
from rlhf.demonstrations import Sequences
from rlhf.training import Trainer

if TYPE_CHECKING:
    from hone_example.training import ScaleConfig
    from rlhf.processes import Processes


class Scale(nn.Module):
    """Multiplies logits."""

    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.zeros(()))

    def forward(self, logits: Tensor) -> Tensor:
        return logits * self.log.exp()


class ScaleTrainer(Trainer[list[int]]):
    """Trains a Scale; the language model stays as it is until the end."""

    def __init__(
        self, config: "ScaleConfig", language: Any, tokenizer: Any, data: Sequences, processes: "Processes"
    ) -> None:
        self.language, self.tokenizer, self.data = language.to(processes.device).eval(), tokenizer, data
        self.seed, self.batch_size = config.seed, min(config.batch_size, len(data))
        super().__init__(
            config,
            Scale().to(processes.device),
            processes,
            total_steps=config.steps,
            eval_every=config.steps,
            data=data.digest(),
            patience=0,
        )

    def work(self, step: int) -> list[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return torch.randperm(len(self.data), generator=generator)[: self.batch_size].tolist()

    def rate_share(self, step: int) -> float:
        return 1 - (step - 1) / self.total_steps

    def learn(self, step: int, unit: list[int]) -> dict[str, float]:
        rate = self.set_rate(step)
        self.step_optimizer.zero_grad()
        loss = torch.stack([self._loss(index) for index in unit]).mean()
        loss.backward()
        norm = self.processes.clip(self.wrapped, self.max_grad_norm)
        self.update([loss.item(), norm.item()])
        return {"loss": loss.item(), "scale": self.model.log.exp().item(), "lr": rate}  # type: ignore[operator]

    def _loss(self, index: int) -> Tensor:
        """Mean of the response's tokens, in nats."""
        ids = torch.tensor(self.data.ids[index], device=self.processes.device)
        trained = torch.tensor(self.data.trained[index], device=self.processes.device)
        with torch.no_grad():
            logits = self.language(input_ids=ids[None]).logits[0, trained - 1]
        return nn.functional.cross_entropy(self.wrapped(logits), ids[trained])

    def finish(self, seconds: float) -> dict[str, Any]:
        """Save the language model with its last norm scaled."""
        scale = self.model.log.exp().item()  # type: ignore[operator]
        if self.processes.main:
            with torch.no_grad():
                self.language.base_model.norm.weight *= scale
            beside = self.output / ".model.part"
            shutil.rmtree(beside, ignore_errors=True)
            self.language.save_pretrained(beside)
            self.tokenizer.save_pretrained(beside)
            publish(beside, self.output / "model")
        self.processes.wait()
        return {"steps": self.state["step"], "scale": scale, "seconds": round(seconds, 3)}
