"""Follows every link of the built site that stays on it: python docs/check_links.py site. Leaves with 1 if one leads nowhere."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


class Page(HTMLParser):
    """The anchors of a page, and where its links and pictures lead."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an anchor, a link or a picture."""
        for name, value in attrs:
            if name in {"id", "name"} and value:
                self.anchors.add(value)
            elif (tag, name) in {("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")} and value:
                self.links.append(value)


def broken(site: Path) -> list[str]:
    """Return a line for each link whose page or anchor is not there."""
    pages: dict[Path, Page] = {}
    for path in site.rglob("*.html"):
        pages[path.resolve()] = Page()
        pages[path.resolve()].feed(path.read_text(encoding="utf-8"))
    found = []
    for path, page in pages.items():
        for link in page.links:
            target, anchor = urldefrag(link)
            if urlsplit(link).scheme or link.startswith(("//", "data:")) or path.name == "404.html":
                continue
            file = (site if target.startswith("/") else path.parent).resolve() / unquote(target).lstrip("/") if target else path
            file = file / "index.html" if file.is_dir() else file
            file = file.resolve()
            if not file.is_file():
                found.append(f"{path.relative_to(site.resolve())}: {link} leads to no file")
            elif anchor and file in pages and unquote(anchor) not in pages[file].anchors:
                found.append(f"{path.relative_to(site.resolve())}: {link} leads to no such anchor")
    return found


if __name__ == "__main__":
    faults = broken(Path(sys.argv[1]))
    print("\n".join(faults) or "every link leads somewhere")
    sys.exit(bool(faults))
