"""A handler that answers each request in pieces: the words of its body."""
from ts.handler_utils.utils import send_intermediate_predict_response


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        texts = [bytes(row["body"]).decode() if not isinstance(row["body"], str) else row["body"] for row in data]
        words = [text.split() for text in texts]
        for k in range(max(len(w) for w in words) - 1):
            pieces = [(w[k] + " ") if k < len(w) - 1 else "" for w in words]
            send_intermediate_predict_response(pieces, context.request_ids, "Intermediate Prediction success", 200, context)
        return [w[-1] for w in words]
