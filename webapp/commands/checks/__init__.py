"""What `doctor` examines, by where trouble comes from; a check yields what it finds."""
