"""The lecture's exercises: worked exactly, made afresh, marked in any equal form.

Examples
--------
>>> [str(worked.answer) for worked in LECTURE]
['sqrt(26)', '4*sqrt(3)', '-3', '-7', '-3/(2*sqrt(21))', '-7/sqrt(273)']
>>> asked = problem("cosine", seed=4)
>>> mark(asked, str(asked.answer)).correct
True
"""

from tokenspace.practice.exact import exact_identity, exact_measure, exact_vector
from tokenspace.practice.kinds import KINDS
from tokenspace.practice.lecture import LECTURE, Worked
from tokenspace.practice.making import lecture_problems, problem, problems
from tokenspace.practice.marking import Verdict, mark, written
from tokenspace.practice.questions import LEVELS, Problem
from tokenspace.practice.surds import Surd

__all__ = [
    "KINDS",
    "LECTURE",
    "LEVELS",
    "Problem",
    "Surd",
    "Verdict",
    "Worked",
    "exact_identity",
    "exact_measure",
    "exact_vector",
    "lecture_problems",
    "mark",
    "problem",
    "problems",
    "written",
]
