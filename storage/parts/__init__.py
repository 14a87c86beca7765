"""The methods of the store, by what they are about."""
