"""Who may come in: people, their roles and sessions, programs' tokens, and the audit log of what they did."""
