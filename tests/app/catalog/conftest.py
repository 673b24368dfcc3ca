"""Tests of this package may need the files of models."""

from tests.app.registry.stores import stored

__all__ = ["stored"]
