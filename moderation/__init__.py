"""Is this allowed? Moderators judge, the policy decides, the gate releases."""
