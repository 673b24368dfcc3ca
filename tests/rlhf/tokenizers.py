"""Tokenizers of the kinds that models have, of a few hundred tokens each."""

from collections.abc import Callable

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rlhf.tiny_model import tiny_tokenizer

LETTERS = [chr(code) for code in range(32, 127)]
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ ' ' + message['content'] | trim + ' ' + eos_token }}"
    "{% else %}{{ '[INST] ' + message['content'] | trim + ' [/INST]' }}{% endif %}{% endfor %}"
)


def _wrap(tokenizer: Tokenizer, template: str, special: list[str], **names: str) -> PreTrainedTokenizerBase:
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **names)


def sentencepiece_bpe() -> PreTrainedTokenizerBase:
    """As Llama-2's: blanks as ▁, one before the first word, bytes for what is unknown; begin and end are words."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    words += [letter for letter in LETTERS if letter != " "] + ["th", "the", "▁the"]
    model = models.BPE(
        {word: index for index, word in enumerate(words)},
        [("t", "h"), ("th", "e"), ("▁", "the")],
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _wrap(tokenizer, LLAMA, ["<unk>", "<s>", "</s>"], **names)


def unigram() -> PreTrainedTokenizerBase:
    """As T5's or XGLM's: the control tokens are words of the model, likelier than their letters."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁", -3.0), ("▁the", -2.0)]
    pieces += [(letter, -5.0) for letter in LETTERS if letter != " "]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 2)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _wrap(tokenizer, LLAMA, ["<unk>", "<s>", "</s>"], **names)


def chatml() -> PreTrainedTokenizerBase:
    """As Qwen's: bytes, added tokens beyond the model's words, some of them special, some that are ordinary text."""
    tokenizer = Tokenizer(
        models.BPE({letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, [])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("<think>", special=False, normalized=False), AddedToken("    ", special=False)])
    return _wrap(tokenizer, CHATML, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], eos_token="<|im_end|>")


def chatml_unmarked() -> PreTrainedTokenizerBase:
    """The same, but the tokens of the template were added as ordinary ones, as some converters do."""
    tokenizer = Tokenizer(
        models.BPE({letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, [])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(
        [AddedToken(token, special=False, normalized=True) for token in ("<think>", "<|im_start|>", "<|im_end|>")]
    )
    return _wrap(tokenizer, CHATML, ["<|endoftext|>"], eos_token="<|endoftext|>")


def whole_words() -> PreTrainedTokenizerBase:
    """Byte pairs that take a whole word before its pairs (`ignore_merges`, as Llama-3), control tokens among them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, "<|im_end|>", "<|im_start|>"]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, [], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return _wrap(tokenizer, CHATML, ["<|im_start|>", "<|im_end|>"], eos_token="<|im_end|>")


def lower_case() -> PreTrainedTokenizerBase:
    """Control tokens that are looked for in a text of small letters (`normalized`)."""
    tokenizer = Tokenizer(
        models.BPE({letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, [])
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=True) for t in ("<|im_start|>", "<|im_end|>")])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=CHATML, eos_token="<|im_end|>")


KINDS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "tiny": tiny_tokenizer,
    "sentencepiece_bpe": sentencepiece_bpe,
    "unigram": unigram,
    "chatml": chatml,
    "chatml_unmarked": chatml_unmarked,
    "whole_words": whole_words,
    "lower_case": lower_case,
}
