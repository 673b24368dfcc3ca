"""Rows out of files of every kind."""
