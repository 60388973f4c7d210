"""A sample log of any size with known answers: the orders and payments of a made-up shop."""

from evanalytics.logs.synthetic.answers import SampleAnswers
from evanalytics.logs.synthetic.writing import read_answers, sample_frame, write_sample

__all__ = ["SampleAnswers", "read_answers", "sample_frame", "write_sample"]
