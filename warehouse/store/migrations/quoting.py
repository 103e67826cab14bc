"""Names of roles and schemas in statements that the driver reads for parameters."""


def quoted(name: str) -> str:
    """A name, whatever it is. Its percent signs stay: the whole statement's are doubled when it is carried out."""
    return '"' + name.replace('"', '""') + '"'
