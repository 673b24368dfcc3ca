"""Ratings from 1 to 5, canned responses and a training of one number: one of each thing that can be added to Hone.

The web server, the worker and the trainer's child process import, as they start, what this names:

    HONE_EXTENSIONS=hone_example.rating,hone_example.source,hone_example.method,hone_example.training
"""
