"""What a well-fitted smooth model says about the law: its noise, and symmetries that let variables be combined."""
