"""Training of the built-in moderators: rows, their sources, and what is learnt from them."""
