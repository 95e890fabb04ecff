"""A session whose model, source and loop live in a child process of the kernel.

``Apart`` is the kernel's side, ``child`` what the process runs, ``wire`` what they say to each other. The kernel keeps
tools, background model, surfaces, timeline and whatever belongs to the notebook; the child steps the model by its own
clock and never waits for the kernel.
"""

from .place import Apart

__all__ = ["Apart"]
