"""Everything that trains Palaver's models: the only package that imports torch."""
