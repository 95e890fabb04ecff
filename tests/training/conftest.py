"""For lessons: the replies in one voice, the scenes of training, and a trial written down as the teacher does it."""

import pytest

from imkit.scenes.trial import make_world
from imkit.training.clips import render_clips
from imkit.training.language import Language, vocabulary
from imkit.training.rehearse import Page, Teacher, training_suite
from imkit.voices import Voice


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    return render_clips(tmp_path_factory.mktemp("clips"), Voice("flite", "slt"), Language())


@pytest.fixture(scope="module")
def suite():
    return training_suite()


@pytest.fixture
def a_page(suite, cast, clips):
    """Plays the first trial of a scene with the teacher: the page, the scene that it becomes, and the world."""

    def written(name, play, ticks):
        page = Page(ticks, {word: i for i, word in enumerate(vocabulary())})
        world = make_world(suite, cast, name, 0, clips.rate)
        page.play(play, world, Teacher(world, clips))
        return page, page.scene(), world

    return written
