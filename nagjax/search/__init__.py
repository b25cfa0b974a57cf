"""What searches share: archives of architectures, what was found, tournaments, variation, exact search of sums."""
