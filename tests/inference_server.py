"""A real inference server over tiny models, as a child process on a free port."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
FIRST, SECOND, ENDLESS = "models/1", "models/2", "models/endless"


@dataclass(frozen=True)
class InferenceServer:
    """Where it listens, and the store it serves."""

    url: str  # without /v1
    store: Path
    pid: int

    @property
    def answers(self) -> int:
        """How many answers are under way or waiting."""
        return int(httpx.get(f"{self.url}/healthz").json()["answers"])


def make_store(folder: Path) -> Path:
    """Two tiny policies, one that never ends an answer, and a tiny reward model, models/reward."""
    import torch
    from transformers import LlamaForSequenceClassification

    from rlhf.tiny_model import tiny_model

    for address, seed in ((FIRST, 1), (SECOND, 2)):
        model, tokenizer = tiny_model(seed)
        model.save_pretrained(folder / address)
        tokenizer.save_pretrained(folder / address)
    with torch.no_grad():
        model.lm_head.weight[tokenizer.eos_token_id, 0] = -100.0
    model.config.max_position_embeddings = tokenizer.model_max_length = 16_384
    model.save_pretrained(folder / ENDLESS)
    tokenizer.save_pretrained(folder / ENDLESS)
    config = model.config
    config.num_labels = 1
    LlamaForSequenceClassification(config).save_pretrained(folder / "models/reward")
    tokenizer.save_pretrained(folder / "models/reward")
    return folder


@contextmanager
def serving(store: Path, *flags: str) -> Iterator[InferenceServer]:
    """Start `python -m workers.inference.server`, wait until it answers, and end it."""
    port = free_port()
    log = (store.parent / f"serving-{port}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.inference.server", "--store", str(store), "--port", str(port), *flags],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 270
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the inference server did not start: {Path(log.name).read_text()}")
            try:
                httpx.get(f"{url}/healthz", timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield InferenceServer(url, store, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
