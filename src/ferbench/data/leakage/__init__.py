"""What a split leaks from train into val and test, and what an audit sees in the pictures."""
