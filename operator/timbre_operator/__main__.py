"""`python -m timbre_operator`: the operator without the rest of the command line."""

from timbre_operator.command import operator

if __name__ == "__main__":
    operator()
