"""How good moderators are: figures, intervals and pictures, from files of labelled texts.

Needs scikit-learn and matplotlib, which serving doesn't: see requirements-train.txt.
"""
