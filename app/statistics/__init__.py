"""Pure arithmetic on what people say: intervals, agreement, reliability. Numbers in, numbers out; no row, no page."""
