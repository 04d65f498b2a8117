"""The explorer's first view in a notebook: a widget that asks this process, so that no server and no port is needed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError, MissingExtraError, TokenspaceError
from tokenspace.explorer import api
from tokenspace.explorer.answers import called, plain
from tokenspace.explorer.attending import Attentive
from tokenspace.explorer.columns import Column
from tokenspace.explorer.maps import Workshop
from tokenspace.explorer.opened import Opened, Tables
from tokenspace.explorer.page import page_files

try:
    import anywidget
    import traitlets
except ImportError as error:
    _message = f"the notebook widget needs {error.name}, which is not installed"
    raise MissingExtraError(_message, hint='pip install "tokenspace[notebook]"') from error

if TYPE_CHECKING:
    from tokenspace.table import EmbeddingTable

IMPORT = re.compile(r'(\bfrom\s*|\bimport\s*\(\s*|\bimport\s*)"(\.{1,2}/[^"]+)"')

LOADER = """
const files = %s;
function address(name, made) {
  if (!made.has(name)) {
    const text = files[name].text.replace(/"\\u0000(\\d+)"/g, (_, at) => JSON.stringify(address(files[name].needs[at], made)));
    made.set(name, URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  }
  return made.get(name);
}
async function render(given) {
  const made = new Map();
  const { show_in } = await import(address("widget.js", made));
  const end = await show_in(given);
  return () => {
    end();
    for (const each of made.values()) URL.revokeObjectURL(each);
  };
}
export default { render };
"""
"""Gives each module an address of its own (a blob's), those it imports first, since a notebook takes one module and no more.

New addresses for each widget, so that none shares what it shows with another: marimo evaluates the one module once for all of them."""


def one_module(name: str = "widget.js") -> str:
    """Return the page's modules that one needs, as a single module.

    Parameters
    ----------
    name : str
        Below ``static/``.

    Returns
    -------
    str
        JavaScript; it fetches nothing.
    """
    texts = {each: data.decode() for each, data in page_files().items() if each.endswith(".js")}
    files: dict[str, dict[str, Any]] = {}

    def take(each: str) -> None:
        if each in files:
            return
        needs: list[str] = []

        def met(match: re.Match[str]) -> str:
            needs.append(_resolved(each, match[2]))
            return f'{match[1]}"\0{len(needs) - 1}"'

        files[each] = {"text": IMPORT.sub(met, texts[each]), "needs": needs}
        for need in needs:
            take(need)

    take(name)
    return LOADER % json.dumps(files)


def _resolved(name: str, relative: str) -> str:
    parts = name.split("/")[:-1]
    for step in relative.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)


def _style() -> str:
    """Return the page's style, its variables on the widget's own root instead of the notebook's."""
    text = page_files()["style.css"].decode()
    text = text.replace(':root:not([data-theme="light"])', ':host(:not([data-theme="light"]))')
    return re.sub(r':root\[(data-theme="\w+")\]', r":host([\1])", text).replace(":root", ":host")


class Explorer(anywidget.AnyWidget):
    """Neighbours and geometry of a table in a notebook.

    Parameters
    ----------
    table : EmbeddingTable
    query : str, optional
        What it opens with: a token or an expression.
    k : int, default 12
        Neighbours a list.

    Notes
    -----
    Needs the extra ``[notebook]``. Works in Jupyter, JupyterLab, VS Code, Colab and marimo, as anywidget does; a notebook without
    a running kernel shows the table's own ``_repr_html_`` instead.
    """

    _esm = traitlets.Unicode(one_module()).tag(sync=True)
    _style = traitlets.Unicode(_style()).tag(sync=True)
    query = traitlets.Unicode("").tag(sync=True)
    k = traitlets.Int(12).tag(sync=True)

    def __init__(self, table: EmbeddingTable, query: str = "", *, k: int = 12, name: str = "") -> None:
        opened = Opened(table, name or (table.source.rpartition("/")[2] or "table"))
        self._world = api.World(Tables([opened]), Attentive(), Workshop())
        super().__init__(query=query or opened.opening, k=k)
        self.on_msg(self._answer)

    def _answer(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        """Answer one question of the page."""
        message, buffers = self.answered(content)
        self.send(message, buffers)

    def answered(self, content: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Return the answer to a question as a message and its buffers.

        Parameters
        ----------
        content : dict
            ``number``, ``path``, ``params`` and ``method``, as ``static/widget.js`` sends them.

        Returns
        -------
        dict, list of bytes
        """
        number = content.get("number")
        try:
            endpoint = next(
                (one for one in api.ENDPOINTS if (one.path, one.method) == (content.get("path"), content.get("method"))),
                None,
            )
            if endpoint is None or not isinstance(content.get("params"), dict):
                message = f"there is no {content.get('path')!r:.60}"
                raise ArgumentError(message)
            answer = called(endpoint, self._world, content["params"])
        except TokenspaceError as error:
            return {
                "number": number,
                "status": 400,
                "error": {"type": type(error).__name__, "message": error.message, "hint": error.hint},
            }, []
        if isinstance(answer, Column):
            return {"number": number, "answer": plain(answer.header)}, [answer.data]
        return {"number": number, "answer": plain(answer)}, []
