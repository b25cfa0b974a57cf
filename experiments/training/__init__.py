"""A run of training: its folder, what happens between two chunks, saving and going on."""
