"""Steps, named `rNNNN_what_it_does`."""
