"""Deletion for good: a project with all that is its own, a person with all that says who they are."""
