"""The interface of a tracker: an object that is told how a run goes, and writes or shows it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any


class Tracker:
    """What a run calls. A tracker inherits from this class and overrides some methods; each does nothing by default.

    Example:
        A tracker that prints the loss of every logged step::

            class Printed(Tracker):
                def log(self, step, stage, figures):
                    print(step, figures["loss"])

            pinn_ac.fit(problem, trackers=[Printed()])
    """

    def start(self, description: Mapping[str, Any]) -> None:
        """The run begins or resumes; called once, before any other method.

        Args:
            description: what is known of the run. Every key may be missing:
                "folder" (Path), the run's folder;
                "step" (int), the step that a resumed run continues from, 0 for a new run: what a tracker wrote of
                later steps must be dropped, since the run will log these steps again;
                "config" (str or mapping), the settings;
                "total_steps" (int) and "seconds_budget" (float), where the run ends at the latest.
        """

    def log(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """One logged step.

        Args:
            step: optimizer steps so far, over all stages and time windows.
            stage: the optimizer, such as "adam"; with several time windows "2/4 adam".
            figures: name → number. Always "seconds" (of training so far), "loss" (that the step started from) and
                "evaluations" (of the objective by the optimizer in this stage so far), and "loss_NAME" for each loss
                term; at an evaluation also "validation_loss" and, where there is a reference solution, "relative_l2"
                or "window_relative_l2".
        """

    def say(self, sentence: str) -> None:
        """Something that the user should know, such as a warning."""

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """The run has ended; called once, after all other methods.

        Args:
            metrics: name → value, the run's results, with those of its report where it has a folder, which holds its
                figures and its page by then; empty if it was stopped or failed.
        """


@dataclass(frozen=True)
class Shared(Tracker):
    """One of several runs that report to the same tracker, as the members of an ensemble do to one progress bar.

    Whoever owns the tracker starts and finishes it: `start` and `finish` of the runs are not passed on.

    Args:
        tracker: the tracker that the runs share.
        label: the name of this run, such as "seed=3"; put in front of its sentences.
    """

    tracker: Tracker
    label: str

    def log(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """Passed on as it is."""
        self.tracker.log(step, stage, figures)

    def say(self, sentence: str) -> None:
        """Passed on with the run's name."""
        self.tracker.say(f"{self.label}: {sentence}")


def say_to_all(trackers: Iterable[Tracker], sentence: str) -> None:
    """Tell each of the trackers a sentence."""
    for tracker in trackers:
        tracker.say(sentence)


@contextmanager
def tracked(trackers: Sequence[Tracker], description: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Start the trackers; when the `with` block ends, finish all of them, whatever happened inside.

    Args:
        trackers: started in this order, and finished in the reverse order.
        description: passed to :meth:`Tracker.start`.

    Yields:
        A dict to which the block adds the run's results. The trackers are finished with it, or with an empty one if
        the block ends with an exception.

    Example:
        ::

            with tracked(trackers, {"folder": folder, "step": state.step}) as metrics:
                state = trainer.run(state)
                metrics["validation_loss"] = state.best_loss
    """
    metrics: dict[str, Any] = {}
    with ExitStack() as started:
        for tracker in trackers:
            tracker.start(description)
            started.callback(tracker.finish, metrics)
        try:
            yield metrics
        except BaseException:
            metrics.clear()
            raise
