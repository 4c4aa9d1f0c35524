"""One verb a file. A use case checks rights, admits, and owns the transaction; it knows no HTTP and no engine by name."""
