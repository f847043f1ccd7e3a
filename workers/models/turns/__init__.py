"""The model behind a turn: asked with a conversation, it answers piece by piece. It gets no tools and runs nothing.

protocol   what is asked, what comes back, and how it fails
responses  a model behind the Responses API, streamed
builtin    the model that is built in: it says what is remembered of the folder
choose     which of them answers, by Codex's configuration and memoryd's own
"""
