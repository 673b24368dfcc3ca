"""The OpenAI-compatible inference server that chat asks."""
