"""What an examination found, scene by scene, and how it is shown."""

import collections
from typing import Any

import attrs

from chaos.disk.promises import Remains

REMARKS_MAX = 5
"""The first few say what is wrong; a thousand more of a kind say nothing else."""


@attrs.define
class Scene:
    """One way to break the disk, tried at every point.

    Attributes:
      expects_loss: a control: a store or disk that cannot keep its promises, so that the check must find something.
      points: moments at which the power was cut, or operations that failed.
      images: databases that were opened and judged.
      acknowledged: changes that the judged runs had acknowledged, all together.
      unknown: times that nobody could know whether the batch in hand was stored.
      resolved: of these, how often the reopened database said yes or no, and its batch id said the same.
      counts: how many images were what.
      is_full_disk: nothing is wrong but that there is no room, so the store must go on by itself when there is.
      went_on: how often the store that met the fault answered everything again on the repaired disk.
      sentences: what was told instead of an answer, and how often.
      remarks: what else is wrong, a sentence each.
    """

    name: str
    expects_loss: bool = False
    is_full_disk: bool = False
    points: int = 0
    images: int = 0
    seconds: float = 0.0
    acknowledged: int = 0
    unknown: int = 0
    resolved: int = 0
    went_on: int = 0
    counts: dict[Remains, int] = attrs.Factory(lambda: dict.fromkeys(Remains, 0))
    sentences: collections.Counter[str] = attrs.Factory(collections.Counter)
    remarks: list[str] = attrs.Factory(list)
    remarks_left_out: int = 0

    def remark(self, text: str) -> None:
        """Say what is wrong."""
        if len(self.remarks) < REMARKS_MAX:
            self.remarks.append(text)
        else:
            self.remarks_left_out += 1

    def found(self, remains: Remains, where: str, *, detail: str = "") -> None:
        """Count an image; anything but KEPT is remarked where nothing may be lost."""
        self.images += 1
        self.counts[remains] += 1
        if remains is not Remains.KEPT and not self.expects_loss:
            self.remark(f"{where}: {remains}{f' ({detail})' if detail else ''}")

    @property
    def broken_promises(self) -> int:
        """Images that are not what was promised."""
        return sum(count for remains, count in self.counts.items() if remains is not Remains.KEPT)

    @property
    def is_as_expected(self) -> bool:
        """Every promise was kept; of a control: something was found."""
        if self.expects_loss:
            return self.broken_promises > 0
        return not self.broken_promises and not self.remarks and self.images > 0


@attrs.frozen
class DiskReport:
    """Everything that one seed was tried with. again: the command that does it once more."""

    seed: int
    scenes: tuple[Scene, ...]
    again: str = ""

    @property
    def is_sound(self) -> bool:
        """Every scene ended as it must."""
        return all(scene.is_as_expected for scene in self.scenes)

    def as_json(self) -> dict[str, Any]:
        """The report as one document."""
        return {
            "seed": self.seed,
            "sound": self.is_sound,
            "scenes": [
                {
                    "name": scene.name,
                    "control": scene.expects_loss,
                    "as_expected": scene.is_as_expected,
                    "points": scene.points,
                    "images": scene.images,
                    "seconds": round(scene.seconds, 3),
                    "images_per_second": round(scene.images / scene.seconds) if scene.seconds else None,
                    "acknowledged": scene.acknowledged,
                    **{remains.value: count for remains, count in scene.counts.items()},
                    "unknown": scene.unknown,
                    "unknown_resolved": scene.resolved,
                    "went_on": scene.went_on,
                    "sentences": dict(scene.sentences.most_common()),
                    "remarks": [*scene.remarks],
                    "remarks_left_out": scene.remarks_left_out,
                }
                for scene in self.scenes
            ],
        }

    def as_text(self) -> str:
        """The report as a table for people, with what is wrong below it."""
        titles = ("scene", "points", "images", "images/s", "acked", "lost", "ghost", "half", "corrupt", "unknown",
                  "resolved", "verdict")  # fmt: skip
        rows = [titles, *(_row(scene) for scene in self.scenes)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
        lines = [
            "  ".join(
                cell.ljust(width) if column in (0, len(titles) - 1) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        for scene in self.scenes:
            lines += _on_full_disk(scene) if scene.is_full_disk else []
            lines += [f"{scene.name}: {remark}" for remark in scene.remarks]
            if scene.remarks_left_out:
                lines.append(f"{scene.name}: and {scene.remarks_left_out} more")
        lines.append(f"{'sound' if self.is_sound else 'BROKEN'}; again: {self.again}")
        return "\n".join(lines)


def _on_full_disk(scene: Scene) -> list[str]:
    """What a full disk came to, in words."""
    lost = scene.counts[Remains.LOST] + scene.counts[Remains.HALF]
    lines = [
        f"{scene.name}: in {scene.points:,} places; of {scene.acknowledged:,} acknowledged changes"
        f" {f'some are lost, in {lost} runs' if lost else 'none is lost'}; when there was room the store went on by"
        f" itself in {scene.went_on:,} of {scene.images:,} runs"
    ]
    lines += [f"  askers were told {count:,} times: {said}" for said, count in scene.sentences.most_common(3)]
    if scene.sentences:
        lines.append("  a person reads it in the service's log (the worker tries again) or as a command's error")
    return lines


def _row(scene: Scene) -> tuple[str, ...]:
    if scene.expects_loss:
        verdict = "loses, as it must" if scene.is_as_expected else "BLIND: nothing was found"
    else:
        verdict = "kept" if scene.is_as_expected else "BROKEN"
    counts = [scene.points, scene.images, round(scene.images / scene.seconds) if scene.seconds else 0,
              scene.acknowledged]  # fmt: skip
    counts += [scene.counts[remains] for remains in (Remains.LOST, Remains.GHOST, Remains.HALF, Remains.CORRUPT)]
    counts += [scene.unknown, scene.resolved]
    return (scene.name, *(f"{count:,}" for count in counts), verdict)
