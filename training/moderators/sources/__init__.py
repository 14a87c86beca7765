"""The packs that rows come from: a reader for each, which maps its labels to our categories."""
