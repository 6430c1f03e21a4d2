"""All tables, by name."""

from tests.benchmarks.rough import earth, engineering, life, physics, trade

FIELDS = (life, earth, engineering, physics, trade)
TABLES = {table.name: table for field in FIELDS for table in field.TABLES}
