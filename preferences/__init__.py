"""Who preferred what, and how sure are we? No SQL, no page."""
