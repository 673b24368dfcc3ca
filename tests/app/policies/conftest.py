"""Tests of this stage may need the files of models."""

from tests.app.registry.stores import stored

__all__ = ["stored"]
