"""Models as people deal with them: which a project has, where others come from, which are taken out of use."""
