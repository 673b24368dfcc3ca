"""The platform: a FastAPI web application and its records. It never imports torch, `rlhf` or `workers`."""
