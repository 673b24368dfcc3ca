"""What is being taught: guidelines, answer scale, overlap, base model, members."""
