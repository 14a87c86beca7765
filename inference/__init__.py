"""Token ids in, token ids out: the engine, and the backends that put text around it."""
