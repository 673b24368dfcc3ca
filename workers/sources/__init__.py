"""Where responses come from: a folder of the store, somebody's API, whatever an extension adds. Each kind of source has
the two calls of `workers.sources.source.Source`, and a place in its registry."""
