"""Stage 3: which response a person preferred; revisions, agreement, annotator quality."""
