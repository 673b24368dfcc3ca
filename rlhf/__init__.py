"""The learning library: sampling, fine-tuning, DPO, reward models, PPO, RLOO and GRPO on torch and transformers.

It works from a notebook or the shell and knows no database, no queue and no web page. Importing this package loads
nothing heavy; every module is imported by its own name, e.g. `from rlhf.sampling import generate`.
"""
