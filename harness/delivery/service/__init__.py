"""A prompt in, an image out, over HTTP: what was learned, drawn by the sampler it is judged by.

`model` says what is drawn with, `line` is the queue before it, `meters` count, `app` speaks HTTP.
"""
