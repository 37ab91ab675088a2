"""The store: predictions, results, labels, models and settings as plain Parquet files."""
