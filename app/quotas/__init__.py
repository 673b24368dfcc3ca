"""How much a project may take: runs, room in the store, tokens of endpoints."""
