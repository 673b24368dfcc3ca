"""Stage 2: two sampled responses to one prompt; the labelling queue and its leases."""
