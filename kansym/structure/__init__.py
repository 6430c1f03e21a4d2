"""What a well-fitted smooth model says about the law: symmetries that let variables be combined and factors be taken out."""
