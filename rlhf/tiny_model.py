"""A language model of a few hundred kilobytes, built on the spot: `tiny:<seed>`, for tests and quick demonstrations.

It is a random Llama whose head favours common English words, so that its responses read as word salad, end by
themselves and differ from draw to draw, and so that PPO can move it within seconds. It has learned nothing.
"""

import math

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

PAD, END, ROLES = "<|pad|>", "<|end|>", ("<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTEXT = 2048
SENTENCE_WORDS = 10  # about how many words come before a mark
WORDS = (  # noqa: SIM905 - common English words, the most frequent first
    "the of and to in is you that it for was on are as with they be at this have from or one had by word but not "
    "what all were we when your can said there use an each which she do how their if will up other about out many "
    "then them these so some her would make like him into time has look two more write go see number no way could "
    "people my than first water been call who oil its now find long down day did get come made may part over new "
    "sound take only little work know place year live me back give most very after thing our just name good "
    "sentence man think say great where help through much before line right too mean old any same tell boy follow "
    "came want show also around form three small set put end does another well large must big even such because "
    "turn here why ask went men read need land different home us move try kind hand picture again change off play "
    "spell air away animal house point page letter mother answer found study still learn should world high every "
    "near add food between own below country plant last school father keep tree never start city earth eye light "
    "thought head under story saw left few while along might close something seem next hard open example begin life "
    "please thank yes friend happy simple clear safe kind warm short plain useful careful honest"
).split()
MARKS = (".", ",", "!", "?")


def tiny_tokenizer() -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer with whole common words, a chat template, and pad and end tokens of their own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[AddedToken(token, special=True) for token in (PAD, END, *ROLES)],
        show_progress=False,
    )
    tokenizer.train_from_iterator((f" {word}" for word in sorted(set(WORDS))), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def tiny_model(seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and its tokenizer; the same seed gives the same weights."""
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.05,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        favour_words(model, tokenizer)
    return model.eval(), tokenizer


@torch.no_grad()
def favour_words(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, patience: float = 1.0) -> None:
    """Redraw embeddings and head so that responses are words in an order that depends on the context, and end in time.

    `patience`: how many times less likely the end is, compared with responses of some 20 words.

    Three channels of the embeddings are kept for this, and make the head's columns of the same number a bias: channel
    0 holds one constant for every token (log-frequencies by Zipf's law), channel 1 is on for marks (then the end is
    likely, another mark is not), channel 2 for the opening of a response (which then does not end at once).
    """
    embedding = model.get_input_embeddings().weight
    head = model.get_output_embeddings().weight
    vocabulary, width = head.shape
    end = tokenizer.eos_token_id
    opening = tokenizer.convert_tokens_to_ids(ROLES[-1])
    marks = tokenizer.convert_tokens_to_ids(list(MARKS))
    words = [ids[0] for word in WORDS if len(ids := tokenizer.encode(f" {word}", add_special_tokens=False)) == 1]
    constant = width**0.5 / 2
    embedding.normal_(0.0, 1.0)
    embedding[:, :3] = 0.0
    embedding[:, 0] = constant
    embedding[marks, 1] = constant
    embedding[opening, 2] = constant
    scale = constant / math.sqrt(1 + constant**2 / width)  # of these channels behind the last normalisation
    bias = torch.full((vocabulary,), -12.0)
    for rank, token in enumerate(dict.fromkeys(words)):
        bias[token] = -0.5 * math.log(rank + 10)
    total = float(bias.exp().sum())
    bias[marks] = math.log(total / SENTENCE_WORDS / len(marks))
    bias[end] = math.log(total / 100 / patience)
    head.normal_(0.0, 1.0 / width**0.5)
    head[end] = 0.0  # so that responses are about as long for every seed
    head[marks] *= 0.5
    head[:, :3] = 0.0
    head[:, 0] = bias / scale
    head[end, 1] = 6.0 / scale
    head[marks, 1] = -6.0 / scale
    head[[end, *marks], 2] = -6.0 / scale
