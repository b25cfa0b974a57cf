"""What every job stands in: flags, printing, locks on its output, signals, signs of life."""
