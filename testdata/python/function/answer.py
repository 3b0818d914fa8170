"""A function as a handler. It is called once without data, to initialize."""


def answer(data, context):
    if data is None:
        return None
    out = []
    for row in data:
        value = row.get("body")
        if isinstance(value, (bytes, bytearray)):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            out.append(value.upper())  # a text
        elif isinstance(value, list):
            out.append(bytes(sum(n) & 255 if isinstance(n, list) else n & 255 for n in value))
        else:
            out.append({"was": value})
    return out
