"""Pages of feedback for made-up hand-ins, which test_site.py looks at: what is long, what is missing, what is hostile.

It runs in a Python that has the course: `python book/feedback_pages.py FOLDER`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lmtutor.classroom import feedback, marking, sandbox

LONG = "For next_token_loss(logits=[[0.5, 1.25, -3]], ids=[[1, 2]], pad=0) your code raised ValueError: " + "x" * 300
STATES = (marking.RIGHT, marking.SHOWN_ONLY, marking.WRONG, marking.UNTRIED, marking.MISSING)
RESULTS = tuple(
    marking.Result(
        exercise=f"recurrent.an_exercise_with_quite_a_name_{place}",
        state=state,
        said=LONG if state in (marking.SHOWN_ONLY, marking.WRONG) else "",
        points=int(state == marking.RIGHT),
        of=int(place != 3),  # one is optional
    )
    for place, state in enumerate(STATES)
)
QUESTIONS = (
    ("What will the loss be after **ten** steps, and why?", "I bet on chance.\n\n  " + "because_" * 60),
    ("Which of the two is faster?", ""),
    ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>"),
)
MARKED = [
    marking.Marked("ann", "in/ann.ipynb", "03", "0.1.0+3f2a9c1d", results=RESULTS[:1]),
    marking.Marked(
        "a very_long_name",
        "in/" + "folder/" * 30 + "x.ipynb",
        "03",
        "0.0.1+00000000",
        notes=("It was handed out as version 0.0.1+00000000, this is 0.1.0+3f2a9c1d: marked with this one's cases.",),
        results=RESULTS,
        questions=QUESTIONS,
    ),
    marking.Marked("eve", "in/eve.ipynb", problem="The file is no notebook: it is not the JSON that Jupyter writes."),
]


def main(folder: Path) -> None:
    """Write the pages into a folder."""
    kind = sandbox.Kind("bubblewrap", "a container of bubblewrap, without network and files", safe=True)
    same, lack = [["a very_long_name", "ann"]], [result.exercise for result in RESULTS]
    feedback.write(marking.Marks("03", 123, kind, MARKED, same, lack), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
