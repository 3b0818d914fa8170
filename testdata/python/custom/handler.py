"""A handler class that shows what it was given: the parts with their types, headers, and the
values of the model-config.yaml."""
import os


class Handler:
    def initialize(self, context):
        self.greeting = context.model_yaml_config["handler"]["greeting"]
        self.folder = os.path.exists(os.path.join(context.system_properties["model_dir"], "MAR-INF", "MANIFEST.json"))
        self.gpu = context.system_properties.get("gpu_id")

    def handle(self, data, context):
        return [self.describe(i, row, context) for i, row in enumerate(data)]

    def describe(self, i, row, context):
        parts = {}
        for name in sorted(row):
            value = row[name]
            if isinstance(value, (bytes, bytearray)):
                value = "bytes " + bytes(value).hex()
            parts[name] = [type(value).__name__, value]
        context.set_response_header(i, "X-Greeting", self.greeting)
        return {
            "greeting": self.greeting,
            "parts": parts,
            "manifest": self.folder,
            "gpu": self.gpu,
            "explain": context.get_request_header(i, "explain"),
            "own": context.get_request_header(i, "X-Own"),
            "type": context.get_request_header(i, "Content-Type"),
        }
