"""Stage 6: the promoted policy answers people; their prompts come back to stage 1."""
