"""What is wrong or at odds in the papers, as code that measures it."""
