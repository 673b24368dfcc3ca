"""The manager's home: the loop as a picture, and the next sensible step."""
