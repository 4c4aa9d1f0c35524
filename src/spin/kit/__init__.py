"""Small tools that know no Spin word: canonical JSON, back-off, the clock, child processes."""
