"""Linear probes on planted activations: what is there is found, what is not is not, and conversations never leak."""

import numpy as np
import pytest
import torch

from imkit.model.ring import STREAMS
from imkit.probe import ActivationCache, ProbeError, Seen, UnknownSite, fit_probe, steer
from imkit.probe.seen import Tokens
from imkit.probe.solvers import auc, logistic, r2, ridge

SITE, WIDTH, TICKS = "blocks.0.hook_out", 12, 40
AXES = {SITE: ("batch", "pos", "d_model"), "floor.hook_out": ("batch", "act", "d_floor")}


def conversation(seed, labels, direction, gain=3.0, words=1):
    """Six or more tokens a micro-turn of noise, and the label along a direction in the act token."""
    rng = np.random.default_rng(seed)
    here = torch.from_numpy(rng.standard_normal(WIDTH).astype(np.float32))  # what only this conversation has
    seen = []
    for k, label in enumerate(labels):
        count = k % (words + 1)
        rows = torch.from_numpy(rng.standard_normal((1, count + 5, WIDTH)).astype(np.float32)) + here
        rows[0, -1] += gain * float(label) * direction
        slots = np.array([*range(1, count + 1), 9, 10, 11, 12, 15])
        kinds = [STREAMS.index(name) for name in ["heard"] * count + ["audio"] * 4 + ["act"]]
        floor = torch.from_numpy(rng.standard_normal((1, 1, 3)).astype(np.float32))
        seen.append(Seen(k, {SITE: rows, "floor.hook_out": floor}, Tokens(16 * k + slots, np.array(kinds, np.int8))))
    return ActivationCache(seen, AXES)


DIRECTION = torch.nn.functional.normalize(torch.from_numpy(np.random.default_rng(9).standard_normal(WIDTH)), dim=0)
DIRECTION = DIRECTION.float()


def held(count=8, kind=bool):
    rng = np.random.default_rng(1)
    labels = [rng.random(TICKS) < 0.4 if kind is bool else rng.standard_normal(TICKS) for _ in range(count)]
    return [conversation(i, one, DIRECTION) for i, one in enumerate(labels)], labels


def test_a_planted_direction_is_found():
    caches, labels = held()
    probe = fit_probe(caches, labels, SITE)
    assert probe.kind == "logistic"
    assert probe.classes == (False, True)
    assert probe.score > 0.85
    assert probe.auc > 0.88
    assert probe.interval[0] < probe.score < probe.interval[1]
    assert probe.found
    assert torch.dot(probe.direction, DIRECTION) > 0.9
    assert torch.dot(probe.pattern, DIRECTION) > 0.8
    assert abs(probe.guess - 0.6) < 0.06
    assert abs(probe.shuffled - 0.6) < 0.1
    assert (probe.conversations, probe.count) == (8, 8 * TICKS)
    assert steer(probe.direction).norm == pytest.approx(1)


def test_a_planted_number_is_found_and_read_off():
    caches, labels = held(kind=float)
    probe = fit_probe(caches, labels, SITE)
    assert probe.kind == "ridge"
    assert probe.score > 0.7
    assert probe.auc is None
    assert 0.1 < probe.error < np.abs(np.concatenate(labels)).mean()
    assert probe.guess <= 0
    assert probe.shuffled < 0.1
    assert torch.dot(probe.direction, DIRECTION) > 0.9
    index, got = probe.predict(caches[0])
    assert index.tolist() == list(range(TICKS))
    assert np.corrcoef(got, labels[0])[0, 1] > 0.8


def test_shuffled_labels_are_chance():
    caches, labels = held(12)
    rng = np.random.default_rng(0)
    probe = fit_probe(caches, [rng.permutation(one) for one in labels], SITE)
    assert abs(probe.auc - 0.5) < 0.1
    assert not probe.found
    numbers = fit_probe(caches, [rng.standard_normal(TICKS) for _ in labels], SITE)
    assert numbers.score < 0.05
    assert not numbers.found


def test_what_only_tells_conversations_apart_is_worth_nothing():
    caches, _ = held(10)
    probe = fit_probe(caches, [np.full(TICKS, number % 2 == 0) for number in range(10)], SITE)
    assert probe.score < 0.8  # rows of the same conversations on both sides would give 1


def test_a_conversation_cannot_be_on_both_sides():
    caches, labels = held(3)
    parts = [caches[0].between(None, 4.0), caches[0].between(4.0)]
    with pytest.raises(ProbeError, match="expected two or more"):
        fit_probe(caches[0], labels[0], SITE)
    with pytest.raises(ProbeError, match="conversations 1 and 2 share micro-turn 0"):
        fit_probe([caches[1], caches[0], parts[0]], lambda k: k % 2 == 0, SITE)
    again = conversation(0, labels[0], DIRECTION)  # lived through again: other tensors of the same numbers
    with pytest.raises(ProbeError, match="all of conversation 2 is in conversation 0 too"):
        fit_probe([caches[0], caches[1], again.between(2.0, 5.0)], lambda k: k % 2 == 0, SITE)
    assert fit_probe(parts[:1] + caches[1:], lambda k: k % 2 == 0, SITE).conversations == 3


def test_no_row_is_scored_by_a_probe_that_saw_its_conversation(monkeypatch):
    from imkit.probe import linear

    caches, labels = held(6)
    data = []
    fit = linear._Data.fit
    monkeypatch.setattr(
        linear._Data, "fit", lambda self, rows, penalty: data.append((self, rows)) or fit(self, rows, penalty)
    )
    fit_probe(caches, labels, SITE, folds=3, penalty=0.1, shuffles=0)
    trained = [set(one.whose[rows]) for one, rows in data]
    assert sorted(map(len, trained)) == [4, 4, 4, 6]
    assert all(rows.sum() == TICKS * len(set(one.whose[rows])) for one, rows in data)


def test_the_label_of_a_moment_ahead():
    rng = np.random.default_rng(2)
    labels = [rng.random(TICKS) < 0.5 for _ in range(8)]
    caches = [conversation(i, np.roll(one, -2), DIRECTION) for i, one in enumerate(labels)]  # holds what comes 0.4 s on
    now, ahead = (fit_probe(caches, labels, SITE, ahead_s=ahead_s) for ahead_s in (0.0, 0.4))
    assert ahead.auc > 0.9
    assert abs(now.auc - 0.5) < 0.15
    assert ahead.count == 8 * (TICKS - 2)  # of the last two, nobody knows
    by_function = fit_probe(
        caches, [lambda k, one=one: one[k] if k < TICKS else None for one in labels], SITE, ahead_s=0.4
    )
    assert by_function.score == ahead.score
    with pytest.raises(ProbeError, match="whole number of micro-turns"):
        fit_probe(caches, labels, SITE, ahead_s=0.5)


def test_rows_are_those_asked_for():
    caches, labels = held()
    assert fit_probe(caches, labels, SITE, rows="audio", shuffles=0).count == 8 * TICKS * 4
    assert fit_probe(caches, labels, SITE, rows=None, shuffles=0).count == 8 * (TICKS * 5 + TICKS // 2)
    assert not fit_probe(caches, labels, SITE, rows="audio").found
    assert fit_probe(caches, labels, "floor.hook_out", shuffles=0).count == 8 * TICKS


def test_labels_that_are_missing_are_left_out_and_words_are_classes():
    caches, labels = held()
    words = [["yes" if one else "no" for one in each] for each in labels]
    words[0][3] = None
    probe = fit_probe(caches, words, SITE, shuffles=0)
    assert probe.classes == ("no", "yes")
    assert probe.count == 8 * TICKS - 1
    three = [[("a", "b", "c")[k % 3] for k in range(TICKS)]] * 8
    assert fit_probe(caches, three, SITE, shuffles=0).auc is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda caches, labels: (caches, labels[:2]), "3 conversations and 2 lists"),
        (lambda caches, labels: (caches, [labels[0][:5], *labels[1:]]), "40 micro-turns and 5 labels"),
        (lambda caches, labels: (caches, lambda k: True), "nothing to tell apart"),
        (lambda caches, labels: (caches, lambda k: None), "no row with a label"),
        (lambda caches, labels: (caches, lambda k: 0.5 if k % 2 else True), "mix classes and numbers"),
        (lambda caches, labels: (caches, ["abc", "abc", "abc"]), "an array or a function"),
    ],
)
def test_bad_labels_are_said(change, told):
    caches, labels = held(3)
    with pytest.raises(ProbeError, match=told):
        fit_probe(*change(caches, labels), SITE)


def test_bad_sites_and_rows_are_said():
    caches, labels = held(2)
    with pytest.raises(UnknownSite):
        fit_probe(caches, labels, "blocks.9.hook_out")
    with pytest.raises(ProbeError, match="expected 'act', 'audio' or None"):
        fit_probe(caches, labels, SITE, rows="words")
    with pytest.raises(ProbeError, match="folds=1"):
        fit_probe(caches, labels, SITE, folds=1)


# --- solvers


def test_ridge_is_the_least_of_its_loss_in_both_shapes():
    rng = np.random.default_rng(0)
    for rows, columns in ((60, 5), (8, 20)):
        x, y = rng.standard_normal((rows, columns)) * 3 + 1, rng.standard_normal(rows)
        model, scale = ridge(x, y, 0.1), x.std(0)

        def loss(weights, bias, x=x, y=y, scale=scale):
            return ((x @ weights[:, 0] + bias[0] - y) ** 2).mean() + 0.1 * ((weights[:, 0] * scale) ** 2).sum()

        least = loss(model.weights, model.bias)
        for _ in range(20):
            step = rng.standard_normal(model.weights.shape) * 1e-3
            assert loss(model.weights + step, model.bias - x.mean(0) @ step) > least


def test_logistic_is_the_least_of_its_loss():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 4)) * np.array([1, 10, 0.1, 1])
    y = (x[:, 0] + x[:, 1] / 10 + rng.standard_normal(80) > 0).astype(np.int64)
    model, scale = logistic(x, y, 2, 0.05), x.std(0)

    def loss(weights):
        logits = (x - x.mean(0)) @ weights + model.bias + x.mean(0) @ model.weights
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        return -np.log(p[np.arange(80), y]).mean() + 0.025 * ((weights * scale[:, None]) ** 2).sum()

    for _ in range(20):
        assert loss(model.weights + rng.standard_normal((4, 2)) * 1e-2 / scale[:, None]) > loss(model.weights)


def test_a_column_that_never_changes_is_no_trouble():
    x = np.column_stack([np.full(30, 7.0), np.arange(30.0)])
    np.testing.assert_allclose(ridge(x, 2 * np.arange(30.0) + 1, 1e-9)(x)[:, 0], 2 * np.arange(30.0) + 1, atol=1e-5)


def test_area_and_share():
    score, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    pairs = [(p > n) + 0.5 * (p == n) for p in score[positive] for n in score[~positive]]
    assert auc(score, positive) == pytest.approx(np.mean(pairs))
    assert np.isnan(auc(score, np.ones(4, bool)))
    assert r2(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) == 1
    assert r2(np.array([1.0, 2, 3]), np.full(3, 2.0)) == 0
    assert np.isnan(r2(np.ones(3), np.ones(3)))
