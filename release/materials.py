"""The bill of materials: what tokenspace is made of and what it is installed with, as CycloneDX JSON.

python release/materials.py > tokenspace.cdx.json. It lists the packages that the core needs, in the versions of constraints.txt, and
the files that the page vendors, with their licences; it is held against CycloneDX's own schema before it is printed.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SPECIFICATION = "1.6"
VENDORED = re.compile(r"^\| (`.+`) \| `([^`]+)`[^|]* \| ([\d.]+) \| ([\w.-]+), © ([^|]+) \|$", re.MULTILINE)


def document() -> dict[str, Any]:
    """Return the bill as a document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = re.findall(r'^__version__ = "(.+)"$', (ROOT / "src/tokenspace/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)[0]
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    spelt = {name.lower().replace("_", "-"): pin for name, pin in pins.items()}
    needed = [re.split(r"[<>=!~; \[]", line)[0].lower().replace("_", "-") for line in project["dependencies"]]
    itself = _component(f"pkg:pypi/tokenspace@{version}", "tokenspace", version, licence=project["license"])
    parts = [_component(f"pkg:pypi/{name}@{spelt[name]}", name, spelt[name]) for name in needed]
    page = (ROOT / "src/tokenspace/explorer/static/vendor/README.md").read_text(encoding="utf-8")
    for files, name, pin, licence, holder in VENDORED.findall(page):
        purl = f"pkg:npm/{name.replace('@', '%40')}@{pin}"
        parts.append(_component(purl, name, pin, licence=licence, copyright=f"© {holder}", description=f"vendored as {files}"))
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([itself, parts]))}",
        "version": 1,
        "metadata": {"component": itself},
        "components": parts,
        "dependencies": [
            {"ref": itself["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }


def _component(purl: str, name: str, version: str, *, licence: str = "", **more: str) -> dict[str, Any]:
    """Return one part of the bill."""
    licences = {"licenses": [{"license": {"id": licence}}]} if licence else {}
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **licences, **more}


def bill() -> str:
    """Return the bill as JSON that CycloneDX's schema takes.

    Raises
    ------
    ValueError
        If the schema refuses it.
    """
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - extra [release]
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    refused = JsonStrictValidator(SchemaVersion.from_version(SPECIFICATION)).validate_str(text)
    if refused is not None:
        message = f"CycloneDX {SPECIFICATION} refuses the bill of materials: {refused}"
        raise ValueError(message)
    return text


if __name__ == "__main__":
    sys.stdout.write(bill())
