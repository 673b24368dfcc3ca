"""`python -m rlhf.reward_worker module:function`: calls the function for `rlhf.reward_functions`, over pipes.

Lines of JSON: {"prompts", "responses"} in, {"scores"} or {"error"} out; the first line out says whether it was found.
What the function prints goes to the standard error.
"""

import importlib
import json
import os
import sys
import traceback
from typing import Any


def main(source: str) -> None:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(line: dict[str, Any]) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    module, _, name = source.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
        if not callable(function):
            raise TypeError(f"{name} is no function")
    except Exception as error:  # noqa: BLE001 - whatever it is, the training says it
        say({"error": f"{type(error).__name__}: {error}"})
        return
    say({"ready": True})
    for line in sys.stdin:
        given = json.loads(line)
        try:
            scores = [float(score) for score in function(given["prompts"], given["responses"])]
        except Exception as error:  # noqa: BLE001 - the same
            traceback.print_exc()
            say({"error": f"{type(error).__name__}: {error}"})
        else:
            say({"scores": scores})


if __name__ == "__main__":
    main(sys.argv[1])
