"""All faults, in the order in which they run."""
from kill import Kill

FAULTS = [Kill]
