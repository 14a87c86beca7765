"""Third-party moderators in processes of their own, which may hang, die or misreport."""
