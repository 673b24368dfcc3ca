"""Runs on the worker's side: Celery tasks, attempts and their claim, what each kind of run does, and scheduling."""
