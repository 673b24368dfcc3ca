"""What all pages share: rendering, guards, CSRF, errors, pagination, server-sent events. Knows no stage."""
