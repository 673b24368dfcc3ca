"""Stage 4: snapshots of labels, reward-model runs, scores."""
