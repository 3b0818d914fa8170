"""A handler whose body is a command: it sets the status of one answer, or fails the whole batch.

    text            the text
    status N text   the text with the status N
    type T text     the text with the content type T
    raise           an exception
    list            too many answers
    none            no list
    object          an answer that cannot be written as JSON
    tensor          a tensor
    exit            the process ends
    hang            no answer
"""
import os
import time

import torch
from ts.utils.util import PredictionException


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        out = []
        for i, row in enumerate(data):
            body = row.get("body", "")
            text = body if isinstance(body, str) else bytes(body).decode()
            word, _, rest = text.partition(" ")
            if word == "status":
                code, _, text = rest.partition(" ")
                context.set_response_status(code=int(code), idx=i)
            elif word == "type":
                kind, _, text = rest.partition(" ")
                context.set_response_content_type(i, kind)
            elif word == "raise":
                raise ValueError("bad picture")
            elif word == "custom":
                raise PredictionException("no cats here", int(rest))
            elif word == "list":
                return ["too", "many", "answers"] * (len(data) + 1)
            elif word == "none":
                return "no list"
            elif word == "object":
                text = object()
            elif word == "tensor":
                text = torch.arange(4)
            elif word == "exit":
                os._exit(9)
            elif word == "hang":
                time.sleep(3600)
            elif word == "pid":
                text = str(os.getpid())
            elif word == "sleep":
                time.sleep(float(rest))
            out.append(text)
        return out
