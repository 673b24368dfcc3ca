"""Figures of the whole installation for Prometheus, and who may read them."""
