"""Stage 3: which answer a person preferred; revisions, agreement, annotator quality."""
