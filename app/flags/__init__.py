"""Flags: an annotator asks about an item, the managers answer and close."""
