"""Proofs that take long: run by hand or by `make prove`, not with the tests."""
