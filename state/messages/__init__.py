"""Every request and every reply: the vocabulary of the service, one subject a file.

`state.rules.registry` says which rule answers which request; a test proves that none is left out.
"""
