"""Shifts: functions on images with a severity and a seed, such as `jpeg:30` or `noise:0.1`."""
