"""The parts of the real test cluster, one subject a file; `../cluster` is the command that uses them."""
