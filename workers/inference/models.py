"""Models of the store, loaded when first asked for; the few most recently used stay. Knows no request and no queue."""

import json
import logging
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlhf.causal_model import load_causal_lm
from rlhf.chat_format import load_tokenizer
from rlhf.config import InputError
from rlhf.decode_step import mask_kind
from rlhf.model_config import context_of
from workers.inference.protocol import ApiError

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class LoadedModel:
    """A policy in memory. `context` is the most tokens that prompt and answer may have together."""

    address: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    context: int


class ModelStore:
    """Addresses such as `models/7` under one folder. Thread-safe; loading one model holds up no other."""

    def __init__(self, root: Path, keep: int, device: torch.device, dtype: torch.dtype) -> None:
        self.root, self.keep, self.device, self.dtype = root, keep, device, dtype
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}

    def addresses(self) -> list[tuple[str, int]]:
        """(address, time of creation) of every policy in the store's folder `models`."""
        folders = sorted(self.root.glob("models/*/config.json"))
        found = ((str(file.parent.relative_to(self.root)), file) for file in folders)
        return [(address, int(file.stat().st_mtime)) for address, file in found if self._fault(file.parent) is None]

    def folder(self, address: str) -> Path:
        """The folder of a policy. Raises ApiError 404 for anything that is not a policy inside the store."""
        missing = ApiError(404, f"The model {address!r} does not exist.", code="model_not_found", param="model")
        if not _ADDRESS.fullmatch(address):
            raise missing
        folder = (self.root / address).resolve()
        if not folder.is_relative_to(self.root.resolve()) or not (folder / "config.json").is_file():
            raise missing
        if fault := self._fault(folder):
            raise ApiError(404, f"The model {address!r} {fault}.", code="model_not_found", param="model")
        return folder

    def get(self, address: str) -> LoadedModel:
        """The model, loaded where it is not yet. Blocks while loading; raises ApiError where it cannot be loaded."""
        folder = self.folder(address)
        with self._lock:
            if known := self._touch(address):
                return known
            loading = self._loading.setdefault(address, threading.Lock())
        with loading:
            with self._lock:
                if known := self._touch(address):
                    return known
            loaded = self._load(address, folder)
            with self._lock:
                self._loaded[address] = loaded
                self._loading.pop(address, None)
                while len(self._loaded) > self.keep:
                    old, _ = self._loaded.popitem(last=False)
                    log.info("let go of %s", old)
            return loaded

    def loaded(self) -> list[str]:
        """Addresses in memory, most recently used last."""
        with self._lock:
            return list(self._loaded)

    def _touch(self, address: str) -> LoadedModel | None:
        if address in self._loaded:
            self._loaded.move_to_end(address)
        return self._loaded.get(address)

    def _load(self, address: str, folder: Path) -> LoadedModel:
        started = time.monotonic()
        try:
            tokenizer = load_tokenizer(folder)
            model = load_causal_lm(folder, self.dtype, self.device).requires_grad_(False)
        except InputError as error:
            raise self._not_loadable(address, "its files are damaged or of a foreign kind", error) from error
        try:
            mask_kind(model)
        except InputError as error:  # knows no path of the store: it may be said
            raise self._not_loadable(address, str(error), error) from error
        log.info("loaded %s in %.1f s", address, time.monotonic() - started)
        return LoadedModel(address, model, tokenizer, _context(model, tokenizer))

    @staticmethod
    def _not_loadable(address: str, reason: str, error: InputError) -> ApiError:
        log.warning("could not load %s: %s", address, error)
        return ApiError(
            500, f"The model {address!r} could not be loaded: {reason}.",
            kind="server_error", code="model_not_loadable", param="model",
        )  # fmt: skip

    @staticmethod
    def _fault(folder: Path) -> str | None:
        """What keeps a folder with a config.json from being served, as the end of a sentence."""
        try:
            architectures = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
        except (OSError, ValueError, AttributeError):
            return "has no readable config.json"
        if not any(str(name).endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
            return "is not a language model"
        return None if any(folder.glob("*.safetensors")) else "has no safetensors file"


def _context(model: Any, tokenizer: PreTrainedTokenizerBase) -> int:
    limits = [context_of(model.config), tokenizer.model_max_length]
    return min((int(limit) for limit in limits if limit and limit < 10**9), default=2048)
