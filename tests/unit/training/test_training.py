"""The training itself, for a few steps of a tiny model; needs PyTorch."""

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest

pytestmark = pytest.mark.torch


@dataclass
class _Row:
    documents: Any
    branches: Any
    weights: Any


@dataclass
class _Words:
    tokens: list[str]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def vocabulary():
    tokenizer = pytest.importorskip("training.tokenizer")
    texts = ["the planner calculates the expression", "calculate 25 * 67"]
    return tokenizer.learn(texts, word_merges=20)


def test_words_split_alike_wherever_they_stand(vocabulary):
    pieces = [vocabulary.tokens[i] for i in vocabulary.encode('the" expression/expression"')]
    joined = "".join(pieces).replace("\u0120", " ")
    assert joined == 'the" expression/expression"'
    alone = [vocabulary.tokens[i] for i in vocabulary.encode("expression")]
    assert pieces[-len(alone) - 1 : -1] == alone


def test_shared_block_is_seen_by_all_branches_but_branches_not_by_each_other(torch):
    from training.model import branch_mask

    documents = torch.tensor([[0, 0, 0, 0, 1]])
    branches = torch.tensor([[0, 1, 1, 2, 0]])
    seen = branch_mask(documents, branches)[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
    ]


def test_packed_branches_give_the_logits_of_separate_conversations(torch):
    from training.config import ModelConfig
    from training.model import LabMini, additive, branch_mask

    torch.manual_seed(0)
    model = LabMini(ModelConfig(vocabulary=32, width=32, layers=2, heads=4, hidden=64)).eval()
    head, first, second = [1, 2, 3], [4, 5], [6, 7, 8]

    def logits(tokens, positions, branches):
        one_document = torch.zeros(1, len(tokens), dtype=torch.long)
        mask = additive(branch_mask(one_document, torch.tensor([branches]))).float()
        return model(torch.tensor([tokens]), torch.tensor([positions]), mask)[0]

    packed = logits(head + first + second, [0, 1, 2, 3, 4, 3, 4, 5], [0, 0, 0, 1, 1, 2, 2, 2])
    alone = logits(head + second, [0, 1, 2, 3, 4, 5], [0] * 6)
    assert torch.allclose(packed[-3:], alone[-3:], atol=1e-5)


def test_logits_of_chosen_places_are_those_of_the_whole(torch):
    from training.config import ModelConfig
    from training.model import LabMini, additive

    torch.manual_seed(0)
    model = LabMini(ModelConfig(vocabulary=32, width=32, layers=2, heads=4, hidden=64)).eval()
    tokens = torch.randint(32, (2, 5))
    positions = torch.arange(5).expand(2, 5)
    mask = additive(torch.ones(2, 1, 5, 5, dtype=torch.bool).tril()).float()
    chosen = torch.tensor([1, 4, 8])
    some = model(tokens, positions, mask, chosen)
    assert torch.allclose(some, model(tokens, positions, mask).flatten(0, 1)[chosen], atol=1e-6)


def test_targets_and_weights_follow_the_answer(vocabulary):
    from training.config import TrainConfig
    from training.packing import step_rows

    config = TrainConfig(tokens=1024, row_tokens=512)
    rows = step_rows(vocabulary, config, step=3)
    assert rows.tokens.shape == rows.weights.shape == (2, 512)
    again = step_rows(vocabulary, config, step=3)
    assert (rows.tokens == again.tokens).all()
    inner = rows.weights[:, :-1] > 0
    assert (rows.targets[:, :-1][inner] == rows.tokens[:, 1:][inner]).all()
    assert {round(float(weight), 2) for weight in set(rows.weights.flat)} == {0.0, 0.1, 1.0}
    # The loss is taken of all answers, and of some of the context.
    chosen = rows.weights.ravel()[rows.chosen]
    assert len(set(rows.chosen)) == len(chosen) == int(config.loss_share * config.tokens)
    assert (chosen == 1).sum() == (rows.weights == 1).sum()
    assert (chosen == 0).sum() == 0


def test_long_samples_are_packed_as_often_as_short_ones(vocabulary, monkeypatch):
    from training import packing
    from training.config import TrainConfig
    from training.data.sample import Sample

    def drawn(*_arguments, **_options):
        while True:
            for answer in ("the " * 10, "the " * 90):
                yield [Sample("any", [{"role": "user", "content": "25 * 67"}], answer)]

    monkeypatch.setattr(packing, "batches", drawn)
    rows = packing.step_rows(vocabulary, TrainConfig(tokens=4096, row_tokens=512), step=0)
    answers = [
        row.weights[(row.documents == 0) & (row.branches == branch)].tolist().count(1.0)
        for row in map(_Row, rows.documents, rows.branches, rows.weights)
        for branch in range(1, row.branches.max() + 1)
    ]
    shorts = sum(length == min(answers) for length in answers)
    assert abs(2 * shorts - len(answers)) <= 1
    assert (rows.documents < 0).mean() < 0.25


def test_rows_are_nearly_full(vocabulary):
    from training.config import TrainConfig
    from training.packing import step_rows

    padding = [(step_rows(vocabulary, TrainConfig(), n).documents < 0).mean() for n in range(5)]
    assert sum(padding) / len(padding) < 0.1


def test_processes_hand_over_the_rows_that_are_made_without_them(torch, vocabulary):
    from training.config import TrainConfig
    from training.feed import feed

    config = TrainConfig(steps=5, tokens=768)
    alone, ahead = list(feed(vocabulary, config, 2)), list(feed(vocabulary, config, 2, workers=2))
    assert len(alone) == len(ahead) == 3
    for one, other in zip(alone, ahead, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one | other)
    assert not torch.equal(alone[0]["tokens"], alone[1]["tokens"])


def test_attention_has_the_gradients_of_pytorchs(torch):
    from torch.nn.functional import scaled_dot_product_attention
    from training.attention import attend
    from training.model import additive, branch_mask

    torch.manual_seed(0)
    # More tokens than one chunk of queries, and no multiple of it.
    tokens = 300
    branches = (torch.arange(tokens)[None] // 70).long()
    mask = additive(branch_mask(torch.zeros_like(branches), branches)).float()
    drawn = torch.randn(4, 2, 3, tokens, 8)
    gradients = []
    for attention in (attend, scaled_dot_product_attention):
        inputs = [one.clone().requires_grad_() for one in drawn[:3]]
        attention(*inputs, mask).backward(drawn[3])
        gradients.append([one.grad for one in inputs])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


# PyTorch's compiler uses what PyTorch itself has deprecated.
@pytest.mark.filterwarnings("ignore:.*torch:DeprecationWarning")
def test_a_run_that_is_taken_up_again_ends_where_an_unbroken_one_does(torch, vocabulary, tmp_path):
    from training.config import ModelConfig, TrainConfig
    from training.train import train

    shape = ModelConfig(width=32, layers=1, heads=2, kv_heads=1, hidden=32)
    # A rate that stays the same, since it follows the share of all steps.
    short = TrainConfig(tokens=512, row_tokens=512, warmup=1, decay=1e-9)

    def weights(folder, *runs):
        folder.mkdir()
        vocabulary.save(folder / "vocabulary.json")
        for steps in runs:
            model, _ = train(shape, replace(short, steps=steps), folder, torch.device("cpu"))
        return torch.cat([p.flatten() for p in model.parameters()])

    broken, unbroken = weights(tmp_path / "a", 1, 3), weights(tmp_path / "b", 3)
    # Where a gradient is all but nothing, the order in which threads add decides its sign.
    assert ((broken - unbroken).abs() < 1e-5).float().mean() > 0.999


def test_export_loads_in_llama_cpp(torch, vocabulary, tmp_path):
    from training.config import ModelConfig
    from training.evaluate.engine import Engine
    from training.export import export
    from training.model import LabMini

    path = tmp_path / "tiny.gguf"
    model = LabMini(ModelConfig(len(vocabulary.tokens), width=64, heads=2, kv_heads=1, hidden=96))
    export(model, vocabulary, "0.0.0", path)
    assert Engine(path).reply([{"role": "user", "content": "hello"}])["role"] == "assistant"


def test_an_exported_model_can_be_trained_further(torch, vocabulary, tmp_path):
    from training.config import ModelConfig
    from training.export import export
    from training.model import LabMini
    from training.restore import restore, reworded
    from training.tokenizer import enlarge

    torch.manual_seed(0)
    shape = ModelConfig(len(vocabulary.tokens), width=64, layers=2, heads=2, kv_heads=1, hidden=96)
    model = LabMini(shape)
    export(model, vocabulary, "0.0.0", tmp_path / "tiny.gguf")
    restored, known = restore(tmp_path / "tiny.gguf")
    assert (restored.config, known) == (shape, vocabulary)
    exact, read = torch.cat([p.flatten() for p in model.parameters()]), restored.parameters()
    assert torch.allclose(torch.cat([p.flatten() for p in read]), exact, atol=0.01)

    larger = enlarge(known, ["expressionless expressionless planners"] * 3, word_merges=30)
    assert set(known.tokens) < set(larger.tokens)
    text = "expressionless"
    assert len(larger.encode(text)) < len(known.encode(text))
    grown = reworded(restored, known, larger)
    old = known.encode("25 * 67")
    assert [known.tokens[i] for i in old] == [larger.tokens[i] for i in larger.encode("25 * 67")]
    where = (torch.arange(len(old))[None], torch.zeros(1, 1, len(old), len(old)))
    given = grown(torch.tensor([larger.encode("25 * 67")]), *where)[0, -1]
    wanted = restored(torch.tensor([old]), *where)[0, -1]
    kept = [larger.ids[token] for token in known.tokens]
    assert torch.allclose(given[kept], wanted, atol=1e-4)


def test_pruning_drops_the_neurons_that_add_nothing(torch, vocabulary, tmp_path, monkeypatch):
    from training.config import ModelConfig, TrainConfig
    from training.prune import prune
    from training.train import load, train

    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    shape = ModelConfig(width=32, layers=2, heads=4, kv_heads=2, hidden=48)
    config = TrainConfig(steps=1, tokens=512, row_tokens=512, long_every=100)
    vocabulary.save(tmp_path / "vocabulary.json")
    train(shape, config, tmp_path, torch.device("cpu"))
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    for block in range(2):
        # The first 16 neurons add nothing.
        state["model"][f"blocks.{block}.feed_forward.down.weight"][:, :16] = 0
    torch.save(state, path)
    tokens = torch.tensor([[1, 2, 3, 4]])
    where = (torch.arange(4)[None], torch.zeros(1, 1, 4, 4))
    before = load(shape, tmp_path)[0](tokens, *where)

    prune(state, vocabulary, shape, config, 32)
    torch.save(state, path)
    narrow = replace(shape, hidden=32)
    assert torch.allclose(load(narrow, tmp_path)[0](tokens, *where), before, atol=1e-5)
    matrices = [w for name, w in state["model"].items() if w.ndim == 2 and "blocks" in name]
    momenta = [kept["momentum_buffer"] for kept in state["optimizers"][0]["state"].values()]
    assert [m.shape for m in momenta] == [w.shape for w in matrices]
    with pytest.raises(ValueError, match="32 neurons"):
        prune(state, vocabulary, narrow, config, 32)


def test_the_mean_of_checkpoints_is_one_to_go_on_from(torch, vocabulary, tmp_path, monkeypatch):
    from training import average
    from training.config import ModelConfig, TrainConfig
    from training.train import load, train

    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    shape = ModelConfig(width=32, layers=1, heads=2, kv_heads=1, hidden=32)
    config = TrainConfig(tokens=512, row_tokens=512, long_every=100)
    folders = [tmp_path / "a", tmp_path / "b"]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        vocabulary.save(folder / "vocabulary.json")
        train(shape, replace(config, seed=seed, steps=1), folder, torch.device("cpu"))
    arguments = [f"{folders[0]}=3", str(folders[1]), "--output", str(tmp_path / "mean")]
    monkeypatch.setattr("sys.argv", ["average", *arguments])
    average.main()

    first, second, mean = (load(shape, f)[0].state_dict() for f in (*folders, tmp_path / "mean"))
    for name in mean:
        assert torch.allclose(mean[name], 0.75 * first[name] + 0.25 * second[name], atol=1e-6)
    monkeypatch.setattr(average.Vocabulary, "load", lambda path: _Words([path.parent.name]))
    with pytest.raises(SystemExit):
        average.main()

    monkeypatch.undo()
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    train(shape, replace(config, steps=2), tmp_path / "mean", torch.device("cpu"))


def test_a_model_that_knows_nothing_is_measured_as_such(torch, vocabulary):
    from training.config import ModelConfig, TrainConfig
    from training.model import LabMini
    from training.packing import step_rows
    from training.validate import measure

    size = len(vocabulary.tokens)
    model = LabMini(ModelConfig(size, width=32, layers=1, heads=2, kv_heads=1, hidden=32))
    torch.nn.init.zeros_(model.embedding.weight)
    config = TrainConfig(tokens=512, row_tokens=512)
    loss, wrong = measure(model, [step_rows(vocabulary, config, 1, "held_out")])
    assert loss == pytest.approx(math.log(size), rel=1e-3)
    assert wrong > 0.5
