"""The programs' door: OpenAI's wire format, translated and nothing else."""
