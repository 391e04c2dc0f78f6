"""Finding good designs: fronts of what was computed, sweeps over what could be, bits allocated under budgets."""
