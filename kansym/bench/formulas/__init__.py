"""How many known laws are recovered, by kansym and by other programs: what `kansym bench formulas` does."""
