"""gensim's KeyedVectors over our tables: the method names people know, exact answers, and no norm that can go stale.

Examples
--------
>>> from tokenspace.gensim import KeyedVectors
>>> vectors = KeyedVectors(2)
>>> vectors.add_vectors(["man", "woman", "king", "queen"], [[1, 0], [1, 2], [3, 0], [3, 2]])
>>> vectors.most_similar(positive=["king", "woman"], negative=["man"], topn=1)[0][0]
'queen'
"""

from tokenspace.gensim.keyed_vectors import KeyedVectors

__all__ = ["KeyedVectors"]
