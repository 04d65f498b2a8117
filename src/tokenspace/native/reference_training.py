"""The kernels of word2vec once more, in NumPy: the oracle of their tests. They serve without a compiler too, a thousand times slower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace.native.reference_tiles import fused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tokenspace.native.training import Task

CHUNK, GROUP, LONGEST = 16, 6, 1024
"""Lanes of a sum, output rows that move at once, words of a sentence; the kernels' figures."""

MASK = (1 << 64) - 1
F32 = np.float32


class Chance:
    """A chain of random numbers: splitmix64."""

    def __init__(self, state: int) -> None:
        self.state = state

    def __call__(self) -> int:
        """Return the next 64 bits."""
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31


def fraction(bits: int) -> np.float32:
    """Return the low 24 bits as a number in [0, 1)."""
    return F32((bits & 0xFFFFFF) * 2.0**-24)


def products(x: NDArray[np.float32], o: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return <x_i, o_c>: 16 lanes of fused sums, added in pairs."""
    lanes = np.zeros((len(x), len(o), CHUNK), dtype=F32)
    for at in range(0, x.shape[1], CHUNK):
        a, b = np.broadcast_arrays(x[:, None, at : at + CHUNK], o[None, :, at : at + CHUNK])
        lanes = fused(a, b, lanes)
    q = lanes.reshape(len(x), len(o), 4, 4)
    four = (q[:, :, 0] + q[:, :, 2]) + (q[:, :, 1] + q[:, :, 3])
    return (four[..., 0] + four[..., 2]) + (four[..., 1] + four[..., 3])


def sigmoids(z: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return 1 / (1 + exp(z)) and exp(z) times that."""
    x = np.where(z > 87, F32(87), np.where(z < -87, F32(-87), z)).astype(F32)  # noqa: PLR2004 - the kernel's bound
    with np.errstate(invalid="ignore"):
        shifted = x * F32(1.44269504) + F32(12582912)
    whole = shifted - F32(12582912)
    full = [np.full(x.shape, value, dtype=F32) for value in (2.12194440e-4, -0.693359375)]
    r = fused(whole, full[0], fused(whole, full[1], x))
    y = np.full(x.shape, 1.9875691500e-4, dtype=F32)
    for factor in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        y = fused(y, r, np.full(x.shape, factor, dtype=F32))
    y = fused(y, r * r, r) + F32(1)
    bits = (shifted.view(np.int32).astype(np.int64) - 0x4B400000 + 127) << 23
    e = y * (bits & 0xFFFFFFFF).astype(np.uint32).view(F32)
    p = F32(1) / (F32(1) + e)
    return p, e * p


class Step:
    """A step of training: see train_step.h."""

    def __init__(self, task: Task, learn: int) -> None:
        self.task, self.learn = task, learn
        self.mantissa, self.exponent, self.broken = 1.0, 0.0, False
        self.asked: list[tuple[int, float, np.float32]] = []

    def take(self, x: list[NDArray[np.float32]], moved: list[NDArray[np.float32]]) -> None:
        """Take it: `x` are input rows, `moved` what their moves are added to, the same or others."""
        outputs, k = self.task.outputs, len(self.asked)
        rows = [row for row, _, _ in self.asked]
        answer = np.array([a for _, a, _ in self.asked], dtype=F32)
        rate = np.array([r for _, _, r in self.asked], dtype=F32)
        self.asked = []
        with np.errstate(over="ignore", invalid="ignore"):
            chance, share = sigmoids(-answer * products(np.stack(x), outputs[rows]))
            g = share * rate
            for line in np.where(rate != 0, chance, F32(1)):
                self.tally(line)
            for first in range(0, k if self.learn else 0, GROUP):
                group = rows[first : first + GROUP]
                out = outputs[group].copy()
                change = np.zeros_like(out)
                for i in range(len(x)):
                    before = x[i].copy()
                    for c in range(len(group)):
                        by = np.full(before.shape, g[i, first + c], dtype=F32)
                        moved[i][:] = fused(by, out[c], moved[i])
                        change[c] = fused(by, before, change[c])
                for c, row in enumerate(group):
                    if row >= self.task.free[1]:
                        outputs[row] += change[c]

    def tally(self, chances: NDArray[np.float32]) -> None:
        """Multiply the product of the chances."""
        for first in range(0, len(chances), GROUP):
            product = np.float64(self.mantissa)
            for chance in chances[first : first + GROUP]:
                product *= np.float64(chance)
            self.broken |= not product > 0
            mantissa, exponent = np.frexp(product)
            self.mantissa, self.exponent = 2 * float(mantissa), self.exponent + float(exponent) - 1


def drawn(task: Task, chance: Chance) -> int:
    """Draw a word by the alias method."""
    share, other = task.shares
    bits = chance()
    column = ((bits >> 32) * len(share)) >> 32
    return column if fraction(bits) < share[column] else int(other[column])


def ask(task: Task, step: Step, word: int, following: list[int], rate: np.float32, chance: Chance) -> None:
    """Ask about a word."""
    if not task.negative:
        begins, nodes, turns = task.ways
        for at in range(begins[word], begins[word + 1]):
            step.asked.append((int(nodes[at]), float(turns[at]), turns[at] * rate))
        return
    step.asked.append((word, 1.0, rate))
    for i in range(task.negative):
        step.asked.append((following[i], -1.0, F32(0) if following[i] == word else -rate))
        following[i] = drawn(task, chance)


def sentences(task: Task, ids: NDArray[np.int32], part: tuple[int, int], chance: Chance) -> Iterator[list[int]]:
    """Yield the sentences of a part, without the words that chance leaves out."""
    at, end = part
    while at < end:
        text: list[int] = []
        while at < end and len(text) < LONGEST:
            word = int(ids[at])
            at += 1
            if word < 0:
                break
            if fraction(chance() >> 40) < task.keep[word]:
                text.append(word)
        yield text


def read_ahead(texts: Iterator[list[int]]) -> Iterator[list[int]]:
    """Yield sentences that are not empty, each once the next has been read."""
    texts = filter(None, texts)
    text = next(texts, None)
    while text is not None:
        after = next(texts, None)
        yield text
        text = after


def train_part(
    task: Task,
    ids: NDArray[np.int32],
    part: tuple[int, int],
    random: NDArray[np.uint64],
    rate: np.float32,
    learn: int,
    tally: NDArray[np.float64],
) -> None:
    """Train on a part."""
    chance, step = Chance(int(random[0])), Step(task, learn)
    following = [drawn(task, chance) for _ in range(task.negative)]
    for text in read_ahead(sentences(task, ids, part, chance)):
        for c, word in enumerate(text):
            reach = task.window - (chance() >> 33) % task.window
            near = [text[j] for j in range(max(0, c - reach), min(len(text), c + reach + 1)) if j != c]
            tally[0] += (in_bag if task.in_bags else in_window)(task, step, word, near, following, rate, chance)
    random[0] = chance.state
    tally[1], tally[2] = np.nan if step.broken else step.mantissa, step.exponent


def in_window(task: Task, step: Step, word: int, near: list[int], following: list[int], rate: np.float32, chance: Chance) -> int:
    """Ask about a word, given each of its neighbours; return the pairs."""
    near = [other for other in near if word >= task.free[1] or other >= task.free[0]]
    if near:
        ask(task, step, word, following, rate, chance)
        waste = np.zeros_like(task.inputs[0])
        step.take([task.inputs[x] for x in near], [task.inputs[x] if x >= task.free[0] else waste for x in near])
    return len(near)


def in_bag(task: Task, step: Step, word: int, near: list[int], following: list[int], rate: np.float32, chance: Chance) -> int:
    """Ask about a word given the mean of its neighbours, or about its neighbours given the mean of its pieces; return the pairs."""
    own, others = (1, 0) if task.around else (0, 1)
    if not near or not (word >= task.free[own] or any(other >= task.free[others] for other in near)):
        return 0
    rows = [row for x in (near if task.around else [word]) for row in rows_of(task, x)]
    mean = task.inputs[rows[0]].copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for row in rows[1:]:
            mean += task.inputs[row]
        mean *= F32(1) / F32(len(rows))
    change = np.zeros_like(mean)
    asked = [word] if task.around else near
    for other in asked:
        ask(task, step, other, following, rate, chance)
        step.take([mean], [change])
    for row in rows if step.learn else []:
        if row >= task.free[0]:
            task.inputs[row] += change
    return len(asked)


def rows_of(task: Task, word: int) -> list[int]:
    """Return the input rows of a word."""
    return [word] if task.begins is None or task.pieces is None else task.pieces[task.begins[word] : task.begins[word + 1]].tolist()


def context_sums(
    ids: NDArray[np.int32],
    part: tuple[int, int],
    window: int,
    rows: NDArray[np.float32],
    enough: int,
    sums: NDArray[np.float64],
    times: NDArray[np.int64],
) -> None:
    """Add up the known rows around each word."""
    n, text = len(rows), ids[part[0] : part[1]]
    for sentence in np.split(text, np.flatnonzero(text < 0) + 1):
        words = sentence[sentence >= 0].tolist()
        for c, word in enumerate(words):
            if word < n and times[word] >= enough:
                continue
            for j in range(max(0, c - window), min(len(words), c + window + 1)):
                if j != c and words[j] < n:
                    sums[word] += rows[words[j]]
                    times[word] += 1
