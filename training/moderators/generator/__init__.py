"""Training texts of the classifiers from hand-written phrases: requests, statements, answers."""

from training.moderators.generator.stream import generate

__all__ = ["generate"]
