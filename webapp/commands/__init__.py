"""The command line, one module per command: flags in, a function called, words out."""
