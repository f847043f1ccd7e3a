"""The rules: what each request does, one subject a file. `state.rules.registry` says which rule answers which."""
