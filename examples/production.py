"""A learned cascade outside intercascade: retrieve a strategy, call the weak model, and defer to the strong model if needed.

docs/PRODUCTION.md explains each step. Needs only Python. The caller provides `embed`, `weak` and `strong`.
"""

import json
import math

# Forms `alone` and `following` of the prompt, as `intercascade prompts show boxed` prints them.
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
FOLLOWING = "This helped with problems that were solved before:\n\n<example>\n{strategy}\n</example>\n\nNow solve this one:\n\n{query}"


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def messages(query, strategy=None):
    """Returns the request to the weak model: the query alone, or after a strategy."""
    text = query if strategy is None else FOLLOWING.format(strategy=strategy, query=query)
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def confidence(logprobs):
    """Signal mean-token-probability: the geometric mean of the probabilities of the answer's tokens."""
    return math.exp(sum(logprobs) / len(logprobs)) if logprobs else 0.0


class LearnedCascade:
    def __init__(self, strategies, embed, weak, strong, threshold, min_similarity, checks=lambda text: True):
        """`strategies`: lines of strategies.jsonl of one arm, order and λ. `embed`: maps a text to a vector, with the model that the
        lines name. `weak`: maps messages to (text, log-probabilities of its tokens). `strong`: maps messages to a text. `checks`:
        returns True if an answer passes the checks of `deferral.checks`."""
        self.strategies = [(line, embed(line["query"])) for line in strategies]
        self.embed, self.weak, self.strong, self.checks = embed, weak, strong, checks
        self.threshold, self.min_similarity = threshold, min_similarity

    def retrieve(self, query):
        """Returns the strategy with the most similar query (k = 1), the earlier one in a tie. None if no similarity reaches the minimum."""
        vector = self.embed(query)
        best = max(((cosine(vector, own), line) for line, own in self.strategies), key=lambda pair: pair[0], default=None)
        return best[1] if best and best[0] >= self.min_similarity else None

    def answer(self, query):
        """Returns the answer's text, its level, and the retrieved strategy."""
        strategy = self.retrieve(query)
        text, logprobs = self.weak(messages(query, strategy and strategy["text"]))
        if confidence(logprobs) >= self.threshold and self.checks(text):
            return text, "weak", strategy
        solution = self.strong(messages(query))
        self.learn(query, solution)
        return solution, "strong", strategy

    def learn(self, query, solution):
        """Stores the solution as a worked example, in the wording of `learning.content = "worked-example"`."""
        line = {"query": query, "text": f"Problem: {query}\nSolution: {solution.strip()}"}
        self.strategies.append((line, self.embed(query)))


def load(path, arm="inter-cascade", order=0, threshold=None):
    """Returns the strategies of one arm, order and threshold. State the threshold if the file has several, as after a sweep."""
    with open(path, encoding="utf-8") as lines:
        found = [line for line in map(json.loads, lines) if (line["arm"], line["order"]) == (arm, order)]
    if threshold is not None:
        found = [line for line in found if line["threshold"] == threshold]
    thresholds = sorted({line["threshold"] for line in found})
    if len(thresholds) > 1:
        raise ValueError(f"{path} has strategies of several thresholds; choose one of {thresholds}")
    return found
