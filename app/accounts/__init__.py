"""People: sign-in, sessions, invitations, API tokens, the audit trail's actors."""
