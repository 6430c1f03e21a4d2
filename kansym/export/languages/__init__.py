"""Programming languages that formulas are exported to: one module each, and in each one or more `Program` rows."""
