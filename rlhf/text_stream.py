"""Token by token to text: whole characters only, and nothing that may turn out to begin a stop string."""

from collections.abc import Sequence

from tokenizers.decoders import DecodeStream
from transformers import PreTrainedTokenizerBase


class TextStream:
    """The growing text of one response. `text` is all that was sent; `stopped` says that a stop string has come."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()) -> None:
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._tokenizer = tokenizer.backend_tokenizer
        self._stop = tuple(stop)
        self._held = ""  # decoded, but not sent yet
        self.text = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Take one more token and return the text that is now safe to send, often empty."""
        self._held += self._decoder.step(self._tokenizer, token) or ""
        found = min((at for text in self._stop if (at := self._held.find(text)) >= 0), default=-1)
        if found >= 0:
            self.stopped = True
            self._held = self._held[:found]
        return self._send(len(self._held) - (0 if self.stopped else self._suspicious()))

    def flush(self) -> str:
        """The response is over: return what was held back."""
        return self._send(len(self._held))

    def _suspicious(self) -> int:
        """How many of the last characters may be the beginning of a stop string."""
        return max(
            (size for text in self._stop for size in range(1, len(text)) if self._held.endswith(text[:size])), default=0
        )

    def _send(self, count: int) -> str:
        piece, self._held = self._held[:count], self._held[count:]
        self.text += piece
        return piece
