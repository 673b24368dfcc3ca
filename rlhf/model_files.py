"""Folders of models that other programs read too: transformers 4 and 5, peft, TRL, and servers built on them.

transformers 5 writes names that transformers 4 does not know: it loads such a tokenizer not at all, and such a model
with a rotation of its own choice, without a word. Here both find theirs. It knows files, not what a model is for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedTokenizerBase

from rlhf.folders import LOAD_ERRORS
from rlhf.model_card import parent_of


def save_model(model: Any, folder: Path, **settings: Any) -> None:
    """`save_pretrained`, with the names of transformers 4 as well: those of the rotation of positions before all."""
    model.save_pretrained(folder, **settings)
    path = folder / "config.json"
    text = path.read_text(encoding="utf-8")
    saved = json.loads(text)
    old = _old_rotation(saved)
    if saved["model_type"] == "qwen3_moe":
        old["num_experts"] = saved["num_local_experts"]
    if not old:
        return
    own = _rotation(folder)
    path.write_text(json.dumps(saved | old, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if _rotation(folder) != own:  # the names mean something else in this kind of model
        path.write_text(text, encoding="utf-8")


def _rotation(folder: Path) -> Any:
    """As this version of transformers reads it; None where it cannot."""
    try:
        found = AutoConfig.from_pretrained(folder, trust_remote_code=False).rope_parameters
    except LOAD_ERRORS:
        return None
    return {name: value for name, value in found.items() if name != "type"}  # which is `rope_type`, once more


def _old_rotation(config: dict[str, Any]) -> dict[str, Any]:
    """What `rope_parameters` were called before they were one setting; one for each kind of layer came with Gemma-3."""
    rope = config.get("rope_parameters") or {}
    local = rope.get("sliding_attention")
    full = rope.get("full_attention", {}) if local else rope
    if "rope_theta" not in full:
        return {}
    old = {"rope_theta": full["rope_theta"]}
    if local and "rope_theta" in local:
        old["rope_local_base_freq"] = local["rope_theta"]
    if (share := full.get("partial_rotary_factor")) is not None:
        old["partial_rotary_factor"] = share
    if config["model_type"] == "gpt_neox":
        old |= {"rotary_emb_base": full["rope_theta"], "rotary_pct": share}
    kind = full.get("rope_type", "default")
    if kind == "longrope":
        old["rope_scaling"] = {"type": kind} | {name: full[name] for name in ("short_factor", "long_factor")}
    elif kind != "default":
        apart = ("rope_theta", "partial_rotary_factor")
        old["rope_scaling"] = {name: value for name, value in full.items() if name not in apart}
    return old


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """`save_pretrained`, of a class that transformers 4 has too."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    saved = json.loads(path.read_text(encoding="utf-8"))
    if saved.get("tokenizer_class") == "TokenizersBackend":
        saved["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(extra := saved.get("extra_special_tokens"), list):  # a mapping before, and another thing
        del saved["extra_special_tokens"]
        saved["additional_special_tokens"] = extra
    path.write_text(json.dumps(saved, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def save_adapter(model: Any, folder: Path, base: str | Path, card: str) -> None:
    """peft's folder of an adapter. It names its base without the path that this machine has it under.

    Of several heads it has their mean, so that it fits a classifier of one label as `model/` is.
    """
    model.peft_config["default"].base_model_name_or_path = parent_of(base)
    state = {
        name: tensor.mean(dim=0, keepdim=True) if name.endswith(".score.modules_to_save.default.weight") else tensor
        for name, tensor in model.state_dict().items()
    }
    # embeddings have no adapters, and asking about them asks the hub
    model.save_pretrained(folder, state_dict=state, save_embedding_layers=False)
    (folder / "README.md").write_text(card, encoding="utf-8")
