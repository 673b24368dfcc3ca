"""Methods of training: what each needs, what it is told, how it is shown and what it makes. A method is one object that
its own file registers; everything else asks the registry and knows none by name."""

from app.methods.method import Chart, Data, Inputs, Method, MethodForm, Standing
from app.methods.presets import BY_EPISODES, BY_EPOCHS, Preset

METHODS: dict[str, Method] = {}


def register(method: Method) -> Method:
    """Add a method, in the order in which pages show them."""
    METHODS[method.name] = method
    return method


def title_of(name: str) -> str:
    """What runs of a method are called; its bare name where it is not installed."""
    return METHODS[name].title if name in METHODS else name


__all__ = [
    "BY_EPISODES", "BY_EPOCHS", "METHODS", "Chart", "Data", "Inputs", "Method", "MethodForm", "Preset", "Standing",
    "register", "title_of",
]  # fmt: skip
