"""The demo: small classifiers of handwritten digits on writers seen, unseen, and under shift."""
