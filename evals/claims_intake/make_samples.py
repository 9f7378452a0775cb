"""Make the sample cases of claims_intake and the seed of its insurer database.

`python -m evals.claims_intake.make_samples [CASE_ID ...]`

Everything is painted, set and written from the modules beside this one, the same bytes every time. Needs Pillow, numpy,
scipy, imagehash and reportlab, and the Liberation fonts.
"""

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import imagehash
import yaml
from PIL import Image

from evals.claims_intake import (
    cases_asked,
    cases_assisted,
    cases_denied,
    cases_fraud,
    cases_plain,
    cases_plain_too,
    cases_referred,
    cases_unusual,
    earlier_photos,
)
from evals.claims_intake.insurer_data import seed_sql
from evals.claims_intake.material import Case

PLAYBOOK = Path(__file__).parents[2] / "overseen" / "playbooks" / "claims_intake"


def all_cases() -> tuple[Case, ...]:
    """Every sample case."""
    modules = (
        cases_plain,
        cases_plain_too,
        cases_assisted,
        cases_unusual,
        cases_asked,
        cases_denied,
        cases_fraud,
        cases_referred,
    )
    return tuple(case for module in modules for case in module.CASES)


def photo_hashes(content: bytes) -> tuple[str, str]:
    """(phash, dhash) of an image file, 16 hexadecimal digits each."""
    with Image.open(io.BytesIO(content)) as picture:
        return str(imagehash.phash(picture, hash_size=8)), str(imagehash.dhash(picture, hash_size=8))


def write_case(case: Case, folder: Path) -> Iterator[Path]:
    """Write case.yaml and the files of one case; yields what was written."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for item in case.items:
        (folder / item.name).write_bytes(item.content())
        yield folder / item.name
    text = yaml.safe_dump(case.as_yaml(), sort_keys=False, allow_unicode=True, width=118)
    (folder / "case.yaml").write_text(text, encoding="utf-8")
    yield folder / "case.yaml"


def main(wanted: list[str]) -> int:
    """Write the cases named in `wanted` (all when empty) and the seed."""
    size = 0
    for case in all_cases():
        if not wanted or case.case_id in wanted:
            size += sum(path.stat().st_size for path in write_case(case, PLAYBOOK / "samples" / case.case_id))
    hashes = {name: photo_hashes(photo.content()) for name, photo in earlier_photos.PHOTOS.items()}
    (PLAYBOOK / "insurer_seed.sql").write_text(seed_sql(hashes), encoding="utf-8")
    sys.stdout.write(f"{len(wanted) or len(all_cases())} cases, {size / 1e6:.2f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
