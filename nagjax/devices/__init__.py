"""What an architecture costs: device tables (schema, units, readers, writers), pricing, learned costs."""
