"""Models of every kind: base models, policies and reward models, their lineage and artifact addresses."""
