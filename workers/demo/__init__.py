"""The loop, unattended: `make demo`. A client of the platform's pages, and no shortcut beside them."""
