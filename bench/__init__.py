"""Measurements beside the peers, on the same work, in turn; never part of the tests."""
