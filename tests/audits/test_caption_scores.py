"""CLIPScore by hand and by the model's own similarity, the untrained space, pixels, and ranking against another implementation."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from stablerep.audits.caption_scores import (
    DEPICTS,
    TrainedSpace,
    clip_score,
    cosines,
    nearness,
    open_clip_model,
    ranked_rightly,
    ranking,
    untrained_space,
)
from stablerep.errors import InputError
from stablerep.training import pretrain
from tests.training.toys import recipe_of, toy_pictures


class Plane:
    """Images and captions as directions in a plane: an image by its first two channels, a caption by its length."""

    def embed_images(self, images):
        return images[:, :2, 0, 0].float() - 100

    def embed_captions(self, captions):
        return torch.tensor([[3.0, 0.0] if len(caption) == 1 else [0.0, 5.0] for caption in captions])


def flat(*colours) -> torch.Tensor:
    return torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(-1, -1, 2, 2)


def test_clip_score_by_hand():
    images = flat((110, 100, 0), (110, 110, 0), (90, 100, 0), (100, 130, 0))
    captions = ["a", "a", "a", "ab"]
    np.testing.assert_allclose(cosines(images, captions, Plane()), [1, 0.5**0.5, -1, 1], atol=1e-6)
    np.testing.assert_allclose(clip_score(images, captions, Plane()), [2.5, 2.5 * 0.5**0.5, 0, 2.5], atol=1e-6)
    with pytest.raises(InputError, match="4 images have 1 captions; each image needs one"):
        clip_score(images, ["a"], Plane())
    with pytest.raises(InputError, match="0 images have 0 captions"):
        clip_score(images[:0], [], Plane())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    pretrain(toy_pictures(), recipe_of("stablerep+", steps=30, images_per_caption=2), folder, progress="")
    return folder


def test_the_space_of_a_run_is_the_one_by_which_images_are_picked(trained):
    from stablerep.camera import Camera
    from stablerep.study.experiments.generators import closeness

    data = toy_pictures()
    captions = [data.captions[place] for place in data.caption_ids.tolist()]
    mine = cosines(data.images, captions, TrainedSpace.of(trained))
    torch.testing.assert_close(mine, closeness(data, trained, Camera.of_strength(0.0)))


def test_random_weights_are_those_of_a_seed_and_not_the_trained_ones(trained):
    data, state = toy_pictures(), torch.random.get_rng_state()
    captions = [data.captions[place] for place in data.caption_ids.tolist()]
    one, again, other = (cosines(data.images, captions, untrained_space(trained, seed)) for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())  # nobody else's random numbers are used
    assert torch.equal(one, again) and not torch.allclose(one, other)
    assert not torch.allclose(one, cosines(data.images, captions, TrainedSpace.of(trained)))


def test_a_clip_model_by_name_scores_as_transformers_itself_does(small_clip):
    from transformers import CLIPProcessor

    model, folder = small_clip
    images = torch.randint(0, 256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    captions = ["cat face", "red apple", "cat face", "woman health worker: dark skin tone", "pie"]
    inputs = CLIPProcessor.from_pretrained(folder)(
        text=captions, images=list(images), padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        expected = model(**inputs).logits_per_image.diagonal() / model.logit_scale.exp()
    torch.testing.assert_close(
        cosines(images, captions, open_clip_model(str(folder))).cpu(), expected, atol=1e-5, rtol=1e-4
    )
    prefixed = open_clip_model(str(folder), prefix=DEPICTS)
    again = open_clip_model(str(folder)).embed_captions([f"A photo depicts {one}" for one in captions])
    torch.testing.assert_close(prefixed.embed_captions(captions), again)


def test_what_is_no_clip_model_is_refused(small_clip, tmp_path):
    with pytest.raises(InputError, match=r"clip_model .* could not be loaded: "):
        open_clip_model(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match="a model of the type bert; a CLIP model of transformers is needed"):
        open_clip_model(str(tmp_path))


def test_nearness_by_hand():
    real = flat((0, 0, 0), (20, 0, 0), (100, 100, 100))
    found = nearness(flat((10, 0, 0), (13, 4, 0), (100, 100, 100)), ["a", "a", "b"], real, ["a", "a", "b"])
    np.testing.assert_allclose(found, [0, -10, 0])  # four pixels, each 5 from the mean
    with pytest.raises(InputError, match="caption 'c' has no real image; nearness needs one of each caption"):
        nearness(real, ["a", "b", "c"], real, ["a", "a", "b"])


def test_ranking_is_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    for _ in range(30):
        right = np.r_[True, False, rng.random(8) < 0.5]
        scores = rng.integers(0, 5, 10).astype(float)  # with ties
        assert ranked_rightly(scores, right) == pytest.approx(roc_auc_score(right, scores))
    assert ranked_rightly(np.ones(4), np.array([True, False, True, False])) == 0.5
    assert np.isnan(ranked_rightly(np.arange(3.0), np.ones(3, bool))) and np.isnan(
        ranked_rightly(np.empty(0), np.empty(0, bool))
    )


def test_captions_are_ranked_within_and_averaged_by_concept():
    """An encoder that knows only which caption is easy knows nothing here."""
    scores = pd.DataFrame(
        [("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 11.0), ("b", 1, 10.0), ("c", 0, 21.0), ("c", 1, 20.0), ("d", 0, 5.0), ("d", 1, 6.0), ("e", 0, 9.0), ("e", 1, 7.0)],
        columns=["caption", "image", "score"],
    ).assign(arm="x", seed=0, source="fresh")  # fmt: skip
    truth = scores[["source", "caption", "image"]].assign(right=[True, False] * 3 + [True, True] + [True, False])[
        :-1
    ]  # one of e is neither
    concepts = pd.Series({"a": "k", "b": "k", "c": "m", "d": "n", "e": "n"})
    found = ranking(scores, truth, concepts).set_index("concept")
    assert found["value"].to_dict() == {"k": 0.5, "m": 1.0} and found["captions"].to_dict() == {"k": 2, "m": 1}
    assert ranking(scores[:0], truth[:0], concepts).empty


def test_features_of_no_use_rank_as_by_chance():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "caption": np.repeat([f"c{k}" for k in range(400)], 4),
            "image": np.tile(range(4), 400),
            "score": rng.normal(size=1600),
        }
    )
    table = table.assign(arm="x", seed=0, source="fresh")
    truth = table[["source", "caption", "image"]].assign(right=rng.random(1600) < 0.5)
    found = ranking(table, truth, pd.Series({f"c{k}": f"k{k}" for k in range(400)}))
    assert found["value"].mean() == pytest.approx(0.5, abs=0.05)
    known = ranking(
        table.assign(score=truth["right"].astype(float)), truth, pd.Series({f"c{k}": f"k{k}" for k in range(400)})
    )
    assert (known["value"] == 1).all()
