"""Files that people bring: prompts, responses to label, and labels, read into a project as a run."""
