"""Labels as files to take away, streamed or made by a run: everything there is, or the layouts that others read."""
