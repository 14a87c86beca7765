"""Numbers that mean a person or open a door, and the sums that tell them from any other."""
