"""Write the golden files anew."""

from service.profiles import PROFILES
from tests.profiles.golden import FOLDER, golden

for file in FOLDER.glob("*.json"):
    file.unlink()
for profile in PROFILES:
    (FOLDER / f"{profile.name}.json").write_bytes(golden(profile))
