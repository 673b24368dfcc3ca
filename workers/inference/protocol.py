"""The wire format of OpenAI's chat completions: what is asked, how responses and errors are written. Knows no model."""

import time
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.input import LEAST_TEMPERATURE, MOST, Input, TopP, unwritable
from rlhf.types import Message, Messages, SamplingSettings

MAX_CHOICES = 8
MAX_MESSAGES = 2_000
MAX_CHARACTERS = 400_000
MAX_TOKENS = 1_000_000
DEFAULT_MAX_TOKENS = 512
_UNSUPPORTED = (
    "tools", "functions", "function_call", "response_format", "logit_bias", "logprobs", "top_logprobs",
    "frequency_penalty", "presence_penalty", "audio", "modalities", "prediction", "web_search_options",
)  # fmt: skip


class ApiError(Exception):
    """A response in OpenAI's error form; `message` is one sentence for the person."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.code, self.param, self.retry_after = status, kind, code, param, retry_after

    def body(self) -> dict[str, Any]:
        error = {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


def _text(value: Any) -> Any:
    """The text of a message; OpenAI also allows a list of parts, of which only text parts are understood here."""
    if not isinstance(value, list):
        return value
    for part in value:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ValueError("only text is understood here, no images, files or sound")
    return "".join(part["text"] for part in value)


class ChatMessage(BaseModel):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text)]

    def plain(self) -> Message:
        return {"role": "system" if self.role == "developer" else self.role, "content": self.content}


class StreamOptions(BaseModel):
    """What a stream carries besides the response."""

    include_usage: bool = False


class ChatRequest(Input):
    """The body of POST /v1/chat/completions. `top_k`, `min_p` and `repetition_penalty` are extensions, as in vLLM."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(min_length=1, max_length=500)
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    temperature: float | None = Field(1.0, ge=0, le=5)  # 0 takes the most probable token
    top_p: TopP | None = 1.0
    top_k: int = Field(0, ge=-1, le=1_000_000)  # -1 and 0 keep all
    min_p: float = Field(0.0, ge=0, le=1)
    repetition_penalty: float = Field(1.0, ge=0.1, le=10)
    n: int | None = Field(1, ge=1, le=MAX_CHOICES)
    stop: str | list[str] | None = None
    seed: int | None = Field(None, ge=-MOST, le=MOST)
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, values: Any) -> Any:
        """A setting that would change the response and is not known here is refused, not ignored."""
        if isinstance(values, dict):
            if place := unwritable(values):
                raise ValueError(f"{place} contains half of a character")
            for name in _UNSUPPORTED:
                value = values.get(name)
                if value and value != {"type": "text"} and value != ["text"]:
                    raise ValueError(f"{name} is not supported by this server; leave it out")
        return values

    @model_validator(mode="after")
    def _check(self) -> "ChatRequest":
        if self.temperature is not None and 0 < self.temperature < LEAST_TEMPERATURE:
            raise ValueError(f"temperature is 0, which takes the most probable token, or at least {LEAST_TEMPERATURE}")
        if len(self.stops) > 16 or any(not 0 < len(text) <= 500 for text in self.stops):
            raise ValueError("stop takes at most 16 texts of 1 to 500 characters")
        if sum(len(message.content) for message in self.messages) > MAX_CHARACTERS:
            raise ValueError(f"the conversation is longer than {MAX_CHARACTERS:,} characters; leave out older turns")
        if self.messages[-1].role == "assistant":
            raise ValueError("the last message is the assistant's; end the conversation with a user's message")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
    def conversation(self) -> Messages:
        return [message.plain() for message in self.messages]

    @property
    def asked_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    def settings(self, max_new_tokens: int) -> SamplingSettings:
        """How to draw; a field that is given as null has OpenAI's default."""
        return SamplingSettings(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=self.top_p or 1.0,
            top_k=max(0, self.top_k),
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            max_new_tokens=max_new_tokens,
            stop=self.stops,
        )


class Reply:
    """Builds the objects of one answer, whole or in chunks."""

    def __init__(self, model: str) -> None:
        self.head = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, responses: list[tuple[str, str]], usage: dict[str, int]) -> dict[str, Any]:
        """responses: (text, finish reason), in order."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": reason,
            }
            for index, (text, reason) in enumerate(responses)
        ]
        return self.head | {"object": "chat.completion", "choices": choices, "usage": usage}

    def chunk(self, index: int, delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self.head | {"object": "chat.completion.chunk", "choices": [choice]}

    def usage_chunk(self, usage: dict[str, int]) -> dict[str, Any]:
        return self.head | {"object": "chat.completion.chunk", "choices": [], "usage": usage}


def usage(prompt_tokens: int, response_tokens: int) -> dict[str, int]:
    """Token counts as OpenAI names them."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": response_tokens,
        "total_tokens": prompt_tokens + response_tokens,
    }
