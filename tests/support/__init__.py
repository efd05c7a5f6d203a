"""What tests share: the virtual clock, load, servers."""
