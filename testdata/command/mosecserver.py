"""A mosec server: a batch takes 20 ms and .5 ms for each of its requests."""

import argparse
import time

from mosec import Server, Worker, env

parser = argparse.ArgumentParser()
parser.add_argument("--max-batch-size", type=int, default=1)
parser.add_argument("--max-wait-time", type=int, default=0, help="ms")
parser.add_argument("--workers", type=int, default=1)
