"""The command `hone`."""
