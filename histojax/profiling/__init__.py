"""`--mode=profile`: where a step's time goes, and how far it is from the roofline."""
