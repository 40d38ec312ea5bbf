"""Agents of other projects, each with its own tool loop, in front of a language model that always draws.

`run.py` runs them; the others are called as `<interpreter> <file> <URL of the model> <URL of Easel>`, in environments
of their own, with nothing of this checkout on their path.
"""
