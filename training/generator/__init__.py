"""Varied simple conversations, written for this project, that teach a small model to chat."""

from training.generator.stream import Args, generate

__all__ = ["Args", "generate"]
