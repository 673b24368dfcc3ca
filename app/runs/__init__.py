"""Every long job: states, claim, heartbeat, progress, metrics, cancel. Knows not what a run computes."""
