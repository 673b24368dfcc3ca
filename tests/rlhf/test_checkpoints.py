import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from rlhf.checkpoints import latest_checkpoint, load_checkpoint, output_lock, publish, save_checkpoint
from rlhf.config import Busy, InputError


class Net(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.frozen = nn.Linear(width, width).requires_grad_(False)
        self.trained = nn.Linear(width, width, bias=False)
        self.tied = nn.Linear(width, width, bias=False)
        self.tied.weight = self.trained.weight
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.tied(self.frozen(self.trained(x))).square().mean()


class Run:
    """A training whose every step draws from all sources of randomness."""

    def __init__(self, width: int = 4) -> None:
        self.net = Net(width)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=0.1, betas=(0.8, 0.95))
        self.generator = torch.Generator().manual_seed(5)

    def step(self) -> float:
        self.optimizer.zero_grad()
        x = torch.randn(3, 4, generator=self.generator) + torch.rand(()) + random.random()
        loss = self.net(x)
        loss.backward()
        self.optimizer.step()
        self.net.count += 1
        return float(loss.detach())

    def save(self, folder: Path, step: int, **settings: int) -> Path:
        return save_checkpoint(folder, step, **self.parts, state={"note": [1.5, "é", None]}, **settings)  # type: ignore[arg-type]

    @property
    def parts(self) -> dict[str, dict[str, object]]:
        return {
            "modules": {"net": self.net},
            "optimizers": {"adamw": self.optimizer},
            "generators": {"data": self.generator},
        }


def test_a_run_goes_on_to_the_bit(tmp_path: Path) -> None:
    run = Run()
    for _ in range(3):
        run.step()
    path = run.save(tmp_path, 3)
    expected = [run.step() for _ in range(4)]

    other = Run()
    random.seed(99)
    torch.manual_seed(99)
    state = load_checkpoint(path, **other.parts)  # type: ignore[arg-type]
    assert [other.step() for _ in range(4)] == expected
    assert state == {"note": [1.5, "é", None]}
    assert float(other.net.count) == 7
    assert other.optimizer.param_groups[0]["betas"] == (0.8, 0.95)


def test_only_what_training_changes_is_written_and_nothing_that_runs(tmp_path: Path) -> None:
    run = Run()
    run.step()
    path = run.save(tmp_path, 1)
    assert {file.suffix for file in path.iterdir()} == {".safetensors", ".json"}
    assert set(load_file(path / "module-net.safetensors")) == {"trained.weight", "count"}


def test_the_newest_are_kept(tmp_path: Path) -> None:
    run = Run()
    for step in (2, 9, 10, 100):
        run.save(tmp_path, step, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-100"]
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-100"
    assert latest_checkpoint(tmp_path / "nowhere") is None


def test_a_half_written_checkpoint_is_none(tmp_path: Path) -> None:
    run = Run()
    run.save(tmp_path, 1)
    (tmp_path / ".checkpoint-2.part").mkdir()
    (tmp_path / ".checkpoint-2.part" / "state.json").write_text("{}")
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-1"
    run.save(tmp_path, 3, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def test_the_same_step_can_be_saved_again(tmp_path: Path) -> None:
    run = Run()
    run.save(tmp_path, 1)
    run.step()
    path = run.save(tmp_path, 1)
    other = Run()
    load_checkpoint(path, **other.parts)  # type: ignore[arg-type]
    assert torch.equal(other.net.trained.weight, run.net.trained.weight)


def test_another_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = Run().save(tmp_path, 1)
    with pytest.raises(InputError, match=r"does not fit this training .*shape"):
        load_checkpoint(path, **Run(width=5).parts)  # type: ignore[arg-type]
    frozen = Run()
    frozen.net.trained.requires_grad_(False)
    with pytest.raises(InputError, match=r"1 tensors differ, trained\.weight"):
        load_checkpoint(path, **frozen.parts)  # type: ignore[arg-type]
    (path / "optimizer-adamw.safetensors").write_bytes(b"cut off")
    with pytest.raises(InputError, match="does not fit"):
        load_checkpoint(path, **Run().parts)  # type: ignore[arg-type]
    (path / "state.json").write_text("{")
    with pytest.raises(InputError, match="does not fit"):
        load_checkpoint(path, **Run().parts)  # type: ignore[arg-type]


def test_publish_replaces_a_folder_whole(tmp_path: Path) -> None:
    for number in (1, 2):
        beside = tmp_path / ".model.part"
        (beside / "sub").mkdir(parents=True)
        (beside / "sub" / f"{number}.txt").write_text(str(number))
        publish(beside, tmp_path / "model")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "model",
        "model/sub",
        "model/sub/2.txt",
    ]


HOLD = """
import sys, time
from pathlib import Path
from rlhf.checkpoints import output_lock
with output_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_is_for_one_process_and_goes_with_it(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match="another training is writing to"), output_lock(tmp_path):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with output_lock(tmp_path):
        pass


WRITE = """
import sys
from pathlib import Path
import torch
from rlhf.checkpoints import save_checkpoint
net = torch.nn.Linear(1000, 1000)
for step in range(1, 10_000):
    torch.nn.init.constant_(net.weight, step)
    torch.nn.init.constant_(net.bias, step)
    save_checkpoint(Path(sys.argv[1]), step, modules={"net": net}, optimizers={}, generators={}, state={"step": step})
"""


def test_whenever_the_writer_is_killed_a_whole_checkpoint_remains(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path)], env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        deadline = time.monotonic() + 60
        while latest_checkpoint(tmp_path) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(random.Random().uniform(0.0, 0.2))
    finally:
        writer.kill()
        writer.wait()
    path = latest_checkpoint(tmp_path)
    assert path is not None
    net = nn.Linear(1000, 1000)
    state = load_checkpoint(path, modules={"net": net}, optimizers={}, generators={})
    assert path.name == f"checkpoint-{state['step']}"
    assert net.weight.unique().tolist() == net.bias.unique().tolist() == [state["step"]]
    assert json.loads((path / "state.json").read_text())["step"] == state["step"]
