"""Stage 2: two sampled answers to one prompt; the labelling queue and its leases."""
