"""What agents have in common: forms of samples, ways to hand them over, what is worth telling."""
