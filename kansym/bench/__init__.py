"""Speed, memory and accuracy of kansym beside other programs, measured in one run: what `kansym bench` does."""

from kansym.bench.engine import Contestant, Plan, Row, race
from kansym.bench.tables import Document, Table

__all__ = ["Contestant", "Document", "Plan", "Row", "Table", "race"]
