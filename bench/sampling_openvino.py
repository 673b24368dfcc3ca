"""OpenVINO GenAI on given prompts, in its own environment: a seed a line in, its figures as JSON out."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import openvino
import openvino_genai as genai


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    schedule = genai.SchedulerConfig()
    schedule.max_num_seqs, schedule.max_num_batched_tokens, schedule.cache_size = 128, 2048, 4
    pipeline = genai.ContinuousBatchingPipeline(spec["model"], schedule, "CPU")
    prompts = [openvino.Tensor(np.array([ids], dtype=np.int64)) for ids in spec["prompts"]]
    for seed in map(int, sys.stdin):
        settings = genai.GenerationConfig(
            do_sample=True, temperature=1.0, num_return_sequences=2, logprobs=1, max_new_tokens=spec["max_new_tokens"]
        )
        settings.rng_seed = seed
        settings.stop_token_ids = set(spec["end_ids"])
        started = time.perf_counter()
        results = pipeline.generate(prompts, [settings] * len(prompts))
        seconds = time.perf_counter() - started
        answers = [list(ids) for result in results for ids in result.m_generation_ids]
        print(json.dumps({"seconds": seconds, "answers": len(answers), "tokens": sum(map(len, answers))}), flush=True)


if __name__ == "__main__":
    main()
