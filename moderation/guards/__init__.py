"""Moderators that ask a service or a guard model."""
