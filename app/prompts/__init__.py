"""Stage 1: what we ask. Imports, the starter set, prompts collected from chat."""
