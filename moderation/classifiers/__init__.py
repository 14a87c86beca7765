"""What the trained moderators share: their weights, features, windows and calibration."""
