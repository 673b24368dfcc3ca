"""Stage 5: PPO runs, blind evaluation, promotion."""
