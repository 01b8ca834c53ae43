"""The space that images and captions share, of a finished run."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from stablerep.errors import InputError
from stablerep.methods.base import ready
from stablerep.training import pretrain
from stablerep.training.backbones import load_backbone
from stablerep.training.joint_space import load_joint_space
from tests.training.toys import recipe_of


@pytest.mark.parametrize("method", ["clip", "stablerep+"])
def test_images_lie_where_the_captions_do_that_they_were_trained_with(method, data, tmp_path):
    recipe = recipe_of(method, steps=150, learning_rate=3e-3, images_per_caption=2)
    still = replace(recipe.view, crop_min=0.9, flip=0.0, jitter=0.0, grey=0.0)
    pretrain(data, replace(recipe, view=still), tmp_path, progress="")
    space, views = load_joint_space(tmp_path), ready(data.images.float() / 255)
    features = space.backbone(views)
    torch.testing.assert_close(features, load_backbone(tmp_path)(views))
    images, texts = space.images(features), space.texts(data.captions)
    assert images.dtype == texts.dtype == torch.float32 and images.shape[1] == texts.shape[1]
    likely = (F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T).argmax(1)
    assert (likely == data.caption_ids).float().mean() > 0.5  # a sixteenth by chance


def test_a_caption_has_the_same_vector_alone_and_among_longer_ones(data, tmp_path):
    pretrain(data, recipe_of("clip", steps=2), tmp_path, progress="")
    space = load_joint_space(tmp_path)
    together = space.texts([data.captions[0], "a caption of many more words than any other"])
    torch.testing.assert_close(together[:1], space.texts([data.captions[0]]), atol=1e-5, rtol=1e-4)


def test_a_method_that_reads_no_captions_is_refused(data, tmp_path):
    pretrain(data, recipe_of("simclr", steps=1), tmp_path, progress="")
    with pytest.raises(InputError, match=r"was trained by simclr, which reads no captions; clip and stablerep\+ do"):
        load_joint_space(tmp_path)
