"""The explorer's page in a real browser: what it shows is what the command line prints, true to scale, from this machine alone."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")

ODD = [
    "a b",
    "😀👩‍👩‍👧",
    "שלום",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "x\ty",
    "\u202eevil",
    "dup1",
    "dup2",
    "zero",
    "[1,2]",
    "",
]
RNG = np.random.default_rng(11)
OPENING = 120_000
"""Milliseconds that PyTorch and transformers may take to be imported, 5 s on a quiet machine."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a table of words, the same extended and moved, and one of odd tokens."""
    place = tmp_path_factory.mktemp("tables")
    words = ["king", "queen", "man", "woman", "he", "she", "good", "bad", *(f"word{i}" for i in range(2992))]
    table = ts.EmbeddingTable(words, RNG.standard_normal((3000, 20)).astype(np.float32) * RNG.uniform(0.5, 2, (3000, 1)).astype(np.float32))
    rows = np.array(table.extend(["king queen"]).matrix)
    rows[100:110] += 1
    odd = RNG.standard_normal((len(ODD), 2)).astype(np.float32)
    odd[8], odd[9] = odd[7], 0
    ts.save(table, place / "before.safetensors")
    ts.save(ts.EmbeddingTable([*words, "king queen"], rows), place / "after.safetensors")
    ts.save(ts.EmbeddingTable(ODD, odd), place / "odd.safetensors")
    return place


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    """Return the folder of a Transformer with two layers of three heads and random weights."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    place = tmp_path_factory.mktemp("transformer")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "king", "of", "hill", "<", "."]
    (place / "vocab.txt").write_text("\n".join(words) + "\n")
    torch.manual_seed(5)
    small = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 32, "initializer_range": 1.0}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words), max_position_embeddings=64, **small)).save_pretrained(place)
    transformers.BertTokenizerFast(str(place / "vocab.txt")).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def address(folder, request):
    names = [str(folder / f"{name}.safetensors") for name in ("before", "after", "odd")]
    command = [sys.executable, "-m", "tokenspace", "explore", *names, "--no-open", "--port", "0", "--threads", "2"]
    if importlib.util.find_spec("torch") and importlib.util.find_spec("transformers"):
        command += ["--model", str(request.getfixturevalue("transformer"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser, address):
    """Open a page that remembers what it asked for and what went wrong."""
    with opened(browser, address) as one:
        yield one


@contextlib.contextmanager
def opened(browser, address, *, wrong=(), **more):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True, **more)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    one = context.new_page()
    one.asked, one.wrong = [], []
    one.on("request", lambda request: one.asked.append(request.url))
    one.on("pageerror", lambda error: one.wrong.append(str(error)))
    one.on("console", lambda message: one.wrong.append(message.text) if message.type == "error" else None)
    one.on("dialog", lambda dialog: (one.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    one.address = address
    one.set_default_timeout(20_000)
    yield one
    assert [text for text in one.wrong if not any(known in text for known in wrong)] == []
    assert {re.match(r"(\w+:(//[^/]+/)?)", url)[0] for url in one.asked} <= {address, "data:", "blob:"}
    context.close()


def go(page, fragment="", *, wait=".list tbody tr", patience=20_000):
    page.goto(f"{page.address}#{fragment}")
    page.wait_for_selector(wait, timeout=patience)


def shown_lists(page):
    return page.evaluate("""() => {
        const text = (row, name) => row.querySelector(name)?.textContent.replace("−", "-");
        const rows = table => [...table.querySelectorAll("tbody tr")].map(row => [text(row, ".token"), text(row, ".value")]);
        return Object.fromEntries([...document.querySelectorAll("table.list")].map(table => [table.dataset.measure, rows(table)]));
    }""")


def printed_lists(path, text, k=12):
    done = subprocess.run(
        [sys.executable, "-m", "tokenspace", "near", text, "-k", str(k), "-t", str(path), "--json"], capture_output=True, check=True
    )
    return json.loads(done.stdout)["neighbours"]


def test_the_lists_are_those_that_the_command_prints(page, folder):
    go(page, "q=king+-+man+%2B+woman")
    shown, printed = shown_lists(page), printed_lists(folder / "before.safetensors", "king - man + woman")
    for measure, rows in printed.items():
        assert [token for token, _ in shown[measure]] == [row["token"] for row in rows]
        decimals = 4 if measure == "cosine" else 3
        assert [float(value) for _, value in shown[measure]] == [round(row["score"], decimals) for row in rows]
    assert "rows stand in all three lists" in page.text_content("[role=status]")


def test_what_is_typed_is_answered_as_it_is_typed_and_completed(page):
    go(page)
    page.fill("#q", "")
    page.type("#q", "que")
    page.wait_for_selector("#offered li")
    assert page.text_content("#offered li .token") == "queen"
    page.press("#q", "ArrowDown")
    page.press("#q", "Enter")
    page.wait_for_function("() => document.querySelector('h1 .token').textContent === 'queen'")
    page.fill("#q", "queen - wom")
    page.wait_for_selector("#offered li")
    page.click("#offered li >> nth=0")
    page.wait_for_function("() => document.querySelector('h1 .token').textContent === 'queen - woman'")
    assert "q=queen+-+woman" in page.url
    page.fill("#q", "woman")
    page.wait_for_function("() => document.querySelector('h1 .token').textContent === 'woman' && location.hash.includes('q=woman')")
    page.fill("input.k", "3")
    page.press("input.k", "Enter")
    page.wait_for_function("() => document.querySelectorAll('.list tbody tr').length === 9")
    page.focus("#q")
    page.keyboard.press("End")
    page.type("#q", "zzz")
    assert page.wrong == []  # a word that is not finished is no error
    page.press("#q", "Enter")
    page.wait_for_selector("[role=alert]")
    page.wrong.clear()  # the browser's own line about an answer of 404


def test_a_link_brings_the_view_back_and_so_does_the_back_button(page):
    go(page, "q=queen&v=word7&k=5&self=1")
    assert len(shown_lists(page)["cosine"]) == 5
    assert shown_lists(page)["euclidean"][0][0] == "queen"
    page.wait_for_selector("[data-part=distance]")
    assert "word7" in page.text_content("svg.fig")
    page.click("button.pick >> nth=1")
    page.dblclick("button.pick >> nth=2")
    page.wait_for_function("() => document.querySelector('h1 .token').textContent !== 'queen'")
    page.click("nav >> text=Layer")
    page.wait_for_selector("svg.net")
    page.go_back()
    page.wait_for_selector("h1 .token")
    page.go_back()
    page.wait_for_function("() => document.querySelector('h1 .token').textContent === 'queen'")
    page.go_forward()
    page.wait_for_function("() => document.querySelector('h1 .token').textContent !== 'queen'")


PARTS = """() => Object.fromEntries(["u", "v", "distance", "projection"].map(name => {
    const line = document.querySelector(`svg.fig line[data-part=${name}]`), at = n => line[n].baseVal.value;
    const box = line.getBoundingClientRect();
    return [name, {length: Math.hypot(at("x2") - at("x1"), at("y2") - at("y1")), box: [box.width, box.height]}];
}).concat([["scale", Number(document.querySelector("svg.fig").dataset.scale)]]))"""


@pytest.mark.parametrize("v", ["queen", "word9", "word14"])
def test_the_drawing_is_true_to_a_pixel(page, folder, v):
    go(page, f"q=king&v={v}", wait="[data-part=distance]")
    table = ts.open(folder / "before.safetensors")
    pair, parts = ts.compare(table["king"], table[v]), page.evaluate(PARTS)
    expected = {"u": pair.norm_u, "v": pair.norm_v, "distance": pair.euclidean, "projection": abs(pair.projection)}
    for name, length in expected.items():
        assert abs(parts[name]["length"] - length * parts["scale"]) < 0.5, name
    flat = parts["u"]["box"]  # on the screen as well: the drawing is not stretched
    assert abs(math.hypot(*flat) - pair.norm_u * parts["scale"]) < 3


def test_v_is_moved_by_pointer_and_by_keys_and_all_three_measures_follow(page):
    go(page, "q=king&v=queen", wait=".handle")
    read = "() => [...document.querySelectorAll('.numbers .value')].map(cell => Number(cell.textContent.replace('−', '-')))"
    before = page.evaluate(read)
    page.focus(".handle")
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    longer = page.evaluate(read)
    assert longer[1] == pytest.approx(before[1] * 1.02**4, rel=2e-3)  # the product grows with the length
    assert longer[2] == before[2]  # the cosine does not
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(read)[2] != before[2]
    page.keyboard.press("Escape")
    assert page.evaluate(read) == before
    handle, box = page.locator(".handle").bounding_box(), page.locator("svg.fig").bounding_box()
    page.mouse.move(handle["x"] + 13, handle["y"] + 13)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 120, steps=4)
    page.mouse.up()
    parts = page.evaluate(PARTS)
    now = page.evaluate(read)
    assert now != before
    assert abs(parts["distance"]["length"] - now[0] * parts["scale"]) < 0.5
    sides = [float(text.replace("−", "-")) for text in re.findall(r"−?\d[\d.]*", page.inner_text(".identity").split("\n")[-1])]
    assert sides[0] == pytest.approx(sides[-1], abs=2e-4)


def test_rows_are_reached_by_keys_and_lit_everywhere(page):
    go(page)
    page.focus("button.pick >> nth=0")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('table').dataset.measure") == "inner_product"
    assert page.locator("table[data-measure=inner_product] tr.lit").count() == 1
    page.keyboard.press("Enter")
    assert page.get_attribute("button.pick:focus", "aria-pressed") == "true"
    chosen = page.text_content("button.pick:focus .token")
    page.keyboard.press("Shift+Enter")
    page.wait_for_function("token => document.querySelector('h1 .token').textContent === token", arg=chosen)
    page.keyboard.press("?")
    assert page.is_visible("dialog[open] #help-title")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.wait_for_selector("svg.net")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"


INKED = """() => { const c = document.querySelector("canvas[aria-hidden]"), p = document.createElement("canvas");
    [p.width, p.height] = [c.width, c.height];
    const g = p.getContext("2d"); g.drawImage(c, 0, 0); const d = g.getImageData(0, 0, p.width, p.height).data; let n = 0;
    for (let i = 3; i < d.length; i += 4) if (d[i] > 20) n++; return n / (p.width * p.height); }"""


@pytest.mark.parametrize("draw", ["", "&draw=2d"])
def test_the_map_has_points_names_that_do_not_overlap_and_says_how_little_it_shows(page, draw):
    go(page, f"view=map&colour=cluster{draw}", wait=".over text")
    assert page.evaluate("tokenspaceFrames.kind") == ("canvas2d" if draw else "webgl2")
    assert page.evaluate("tokenspaceFrames.drawn") == 3000
    assert 0.005 < page.evaluate(INKED) < 0.9
    assert re.search(r"Two of 20 principal axes hold .* of the variance", page.text_content(".map-note"))
    boxes = page.evaluate(
        "() => [...document.querySelectorAll('.over > text')].map(text => text.getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(boxes) > 5
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        for a0, b0, a1, b1 in boxes[:i]:
            assert min(x1, a1) - max(x0, a0) <= 3 or min(y1, b1) - max(y0, b0) <= 4
    before = page.evaluate(INKED)
    page.focus(".pad")
    for _ in range(5):
        page.keyboard.press("+")
    page.wait_for_timeout(500)
    assert page.evaluate(INKED) != before
    assert "cam=" in page.url


def test_rows_of_the_map_are_taken_with_a_lasso_and_axes_named_by_tokens(page):
    go(page, "view=map&map=axes&x=he+-+she&y=good+-+bad", wait=".over text")
    assert "he - she" in page.text_content(".map-note")
    page.click("text=Lasso")
    box = page.locator(".map-box").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 200, y - 150)
    page.mouse.down()
    for dx, dy in ((200, -150), (200, 150), (-200, 150)):
        page.mouse.move(x + dx, y + dy, steps=5)
    page.mouse.up()
    page.wait_for_function("() => /Taken: [1-9]/.test(document.body.textContent)")
    with page.expect_download() as saved:
        page.click("aside >> text=CSV")
    assert Path(saved.value.path()).read_bytes().startswith(b"id,token\r\n")


def test_a_browser_without_webgl_has_the_lists_and_a_map(browser, address):
    with opened(browser, address) as page:
        page.add_init_script(
            "const get = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext = "
            "function (kind, ...more) { return kind.startsWith('webgl') ? null : get.call(this, kind, ...more); };"
        )
        go(page, "view=map", wait=".over text")
        assert page.evaluate("tokenspaceFrames.kind") == "canvas2d"
        assert page.evaluate(INKED) > 0.005


def test_the_layer_lights_a_column_and_grows(page, folder):
    go(page, "view=layer&q=king", wait="svg.net")
    table = ts.open(folder / "before.safetensors")
    values = [
        float(text.replace("−", "-"))
        for text in page.evaluate(
            "() => [...document.querySelectorAll('svg.net g text')].map(t => t.textContent).filter(t => /^[−\\d]+\\.\\d{3}$/.test(t))"
        )
    ]
    assert values == [round(float(value), 3) for value in table["king"][: len(values)]]
    assert page.locator(".edge.lit-plus, .edge.lit-minus").count() == 7
    page.click("text=king − man + woman")
    page.wait_for_function("() => document.querySelectorAll('.edge.lit-plus, .edge.lit-minus').length === 21")
    page.fill("[aria-label='New tokens']", "new word, king queen man")
    page.click("form >> text=Add >> nth=-1")
    page.wait_for_selector(".lock")
    assert "all 3,000 old columns are frozen" in page.text_content(".lock")
    assert page.locator(".node.new").count() == 2
    assert page.locator(".edge.frozen").count() > 0


def test_two_tables_are_compared(page):
    go(page, "view=compare&a=before.safetensors&b=after.safetensors&q=king", wait=".bars")
    text = page.inner_text("main")
    assert "2,990 of 3,000 shared rows are identical" in text
    assert "king queen" in text
    assert "10 rows moved" in text


def attention_of(folder, text):
    from tokenspace.torch.attention import Reader

    return Reader(str(folder)).attention(text)


def test_attention_is_what_the_transformer_computes(page, transformer):
    text = "The king of the hill."
    go(page, f"view=attention&text={text.replace(' ', '+')}&layer=1&head=2", wait="svg.heat", patience=OPENING)
    expected = attention_of(transformer, text)
    assert page.evaluate("() => [...document.querySelectorAll('svg.heat > g > text')].map(one => one.textContent)") == expected.tokens
    read = "() => [...document.querySelectorAll('svg.heat .cell title')].map(one => one.textContent)"
    first = page.evaluate(read)[1]
    shown = [float(line.split(": ")[1]) for line in page.evaluate(read)]
    assert shown == pytest.approx(expected.weights[1, 2].ravel(), abs=6e-5)
    page.select_option(".field:has-text('Show') select", "scores")
    page.wait_for_function("() => location.hash.includes('show=scores')")
    cells = [line.split(": ")[1].replace("−", "-") for line in page.evaluate(read)]
    assert [float(one) for one in cells] == pytest.approx(expected.scores[1, 2].ravel(), abs=6e-5)
    page.select_option(".field:has-text('Read a row') select", "1")
    assert "query the" in page.inner_text(".reading")
    page.focus("svg.heat")
    page.keyboard.press("ArrowDown")
    assert "query king" in page.inner_text(".reading")
    page.select_option(".field:has-text('Show') select", "weights")
    page.focus("input[type=range] >> nth=1")
    page.keyboard.press("Home")
    page.wait_for_function("() => document.body.textContent.includes('Mean of the heads') && location.hash.includes('head=-1')")
    page.wait_for_function("old => document.querySelectorAll('svg.heat .cell title')[1].textContent !== old", arg=first)
    mean = expected.weights[1].mean(axis=0).ravel()
    assert [float(line.split(": ")[1]) for line in page.evaluate(read)] == pytest.approx(mean, abs=6e-5)
    with page.expect_download() as saved:
        page.click("main >> text=CSV")
    assert len(Path(saved.value.path()).read_text().splitlines()) == 1 + len(expected.tokens) ** 2
    page.fill(".sentence", "< king")
    page.press(".sentence", "Enter")
    page.wait_for_function("() => [...document.querySelectorAll('svg.heat text')].some(one => one.textContent === '<')")


def test_a_sentence_that_is_too_long_is_said(browser, address, transformer):
    with opened(browser, address, wrong=("400",)) as page:
        go(page, f"view=attention&text={'+'.join(['king'] * 64)}", wait="[role=alert]", patience=OPENING)
        assert "1 to 64 tokens" in page.text_content("[role=alert]")


def test_an_exercise_is_marked_with_a_hint_and_then_as_right(page):
    from tokenspace import practice

    go(page, "view=practice&kind=euclidean&level=medium&seed=5", wait=".question")
    page.fill(".answer-row input", "1234")
    page.click("text=Check")
    page.wait_for_selector(".verdict")
    assert re.search(r"\(\d+\)", page.text_content(".verdict"))
    page.fill(".answer-row input", str(practice.problem("euclidean", seed=5, difficulty="medium").answer))
    page.click("text=Check")
    page.wait_for_selector(".verdict.right")


def test_odd_tokens_are_text_and_nothing_else(page):
    go(page, "t=odd.safetensors&k=50")
    for row, token in enumerate(ODD):
        page.goto(f"{page.address}#t=odd.safetensors&k=50&q=%23{row}")
        page.wait_for_function("row => document.querySelector('h1 .token').textContent === `#${row}`", arg=row)
        assert len(shown_lists(page)["euclidean"]) == len(ODD) - 1, token
    assert page.locator("script:not([src]), img[src=x]").count() == 0
    for view in ("layer", "map"):
        go(page, f"t=odd.safetensors&view={view}&q=zero", wait="svg.net, .over text")
    go(page, "t=odd.safetensors&q=zero")
    assert "not defined" in page.text_content(".agreement")


def test_lists_and_pictures_are_taken_along(page, folder):
    go(page, "q=king&v=queen", wait=".handle")

    def saved(selector):
        with page.expect_download() as one:
            page.click(selector)
        return Path(one.value.path()).read_bytes()

    lines = saved(".lists >> text=CSV").decode().splitlines()
    assert len(lines) == 37
    document = json.loads(saved(".lists >> text=JSON"))
    assert document["neighbours"] == printed_lists(folder / "before.safetensors", "king")
    svg = saved(".geometry >> text=SVG").decode()
    assert svg.startswith("<svg")
    assert "var(" not in svg
    assert saved(".geometry >> text=PNG").startswith(b"\x89PNG")
    page.click(".lists >> text=Command")
    command = page.text_content("dialog[open] code")
    assert command.startswith("tokenspace near king -k 12 -t ")
    page.keyboard.press("Escape")
    whole = saved("[aria-label='Save the view as one HTML file']").decode()
    assert not re.search(r"(src|href)=\"(?!data:|#)", whole)
    path = folder / "saved.html"
    path.write_text(whole, encoding="utf-8")
    page.goto(path.as_uri())
    assert shown_lists(page)["cosine"][0][0] == document["neighbours"]["cosine"][0]["token"]
    assert json.loads(page.text_content("#data"))["query"] == "king"
    page.asked[:] = [url for url in page.asked if not url.startswith("file:")]


def test_the_first_load_is_light(browser, address):
    with opened(browser, address) as page:
        sizes = {}
        page.on("response", lambda response: sizes.__setitem__(response.url, int(response.headers.get("content-length", 0))))
        go(page, wait=".handle")
        files = {url: size for url, size in sizes.items() if "/static/" in url or url == address}
        points = sum(size for url, size in sizes.items() if "/map" in url)
        assert sum(files.values()) < 60_000, "all of the page's files as they are sent, gzipped"
        assert sum(sizes.values()) - points < 150_000


@pytest.mark.parametrize(
    ("view", "scheme"),
    [
        *(("neighbours", "light"), ("neighbours", "dark"), ("layer", "dark"), ("map", "light"), ("compare", "light"), ("practice", "dark")),
        *(("attention", "light"), ("attention", "dark")),
    ],
)
def test_axe_finds_nothing(request, browser, address, scheme, view):
    if view == "attention":
        request.getfixturevalue("transformer")  # skips where it cannot be made
    ready = {"neighbours": ".small-map .over text", "layer": "svg.net", "map": ".over text", "compare": ".bars"}.get(view)
    ready = ready or {"practice": ".question", "attention": "svg.heat"}[view]
    with opened(browser, address, color_scheme=scheme) as page:
        go(page, f"view={view}&q=king&colour=norm&a=before.safetensors&b=after.safetensors", wait=ready, patience=OPENING)
        found = axe.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
        assert [
            (one["id"], [node["html"][:160] + " " + node["failureSummary"][:200] for node in one["nodes"]])
            for one in found.response["violations"]
        ] == []


def test_a_narrow_screen_is_not_scrolled_sideways(browser, address):
    with opened(browser, address, device_scale_factor=2) as page:
        page.set_viewport_size({"width": 360, "height": 740})
        for view, ready in (
            ("neighbours", ".handle"),
            ("layer", "svg.net"),
            ("map", ".over text"),
            ("compare", ".bars"),
            ("practice", ".question"),
        ):
            go(page, f"view={view}&q=king", wait=ready)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, view


@pytest.mark.parametrize("fragment", ["", "q=queen&k=5", "q=king+-+man&self=1", "k=oops"])
def test_what_is_asked_for_before_the_modules_come_is_not_asked_for_again(browser, address, fragment):
    with opened(browser, address) as page:
        go(page, fragment, wait=".handle")
        for path in ("/near?", "/tables?"):
            assert sum(path in url for url in page.asked) == 1, page.asked


def test_a_server_that_has_gone_is_said(browser, address):
    with opened(browser, address, wrong=("ERR_FAILED", "Failed to load")) as page:
        go(page)
        page.route("**/api/**", lambda route: route.abort())
        page.fill("#q", "queen")
        page.press("#q", "Enter")
        page.wait_for_selector("[role=alert]")
        assert "does not answer" in page.text_content("[role=alert]")


def test_notebook_widgets_show_the_same_lists_and_each_its_own(browser, address, folder):
    notebook = pytest.importorskip("tokenspace.explorer.notebook")
    widget = notebook.Explorer(ts.open(folder / "before.safetensors"), "king")
    with opened(browser, address) as page:

        def answered(content):
            message, buffers = widget.answered(content)
            return [message, [base64.b64encode(one).decode() for one in buffers]]

        page.expose_function("ask_python", answered)
        page.route(
            "**/widget-test",
            lambda route: route.fulfill(body="<!doctype html><div id=king></div><div id=queen></div>", content_type="text/html"),
        )
        page.goto(f"{address}widget-test")
        page.evaluate(
            """async ([text, style]) => {
                const module = await import(URL.createObjectURL(new Blob([text], {type: "text/javascript"}))); // marimo has one for all
                for (const query of ["king", "queen"]) {
                    const told = [], model = {get: name => ({_style: style, query, k: 12})[name], on: (_, f) => told.push(f), off: () => {},
                        send: async content => { const [answer, buffers] = await window.ask_python(content);
                            const views = buffers.map(text => new DataView(Uint8Array.from(atob(text), one => one.charCodeAt(0)).buffer));
                            told.forEach(f => f(answer, views)); }};
                    await module.default.render({model, el: document.getElementById(query)});
                }
            }""",
            [widget._esm, widget._style],
        )
        for query in ("king", "queen"):
            page.wait_for_selector(f"#{query} .list tbody tr")
            first = page.locator(f"#{query} table[data-measure=cosine] .token").first.text_content()
            assert first == printed_lists(folder / "before.safetensors", query)["cosine"][0]["token"]
            page.wait_for_selector(f"#{query} .handle")
        assert page.url == f"{address}widget-test"


@pytest.mark.parametrize(
    ("view", "ready", "act"),
    [
        ("neighbours", ".handle", lambda page: page.click("table[data-measure=cosine] button.pick >> nth=3")),
        ("layer", "svg.net", lambda page: page.click("text=king − man + woman")),
        ("map", ".over text", lambda page: page.select_option(".field:has-text('Colour') select", "norm")),
        ("compare", ".bars", lambda page: page.select_option(".field:has-text('measure') select", "euclidean")),
        ("practice", ".question", lambda page: page.click("text=New numbers")),
    ],
    ids=lambda one: one if isinstance(one, str) and one.isalpha() else "",
)
def test_the_address_of_a_view_brings_it_back_elsewhere(browser, address, view, ready, act):
    with opened(browser, address) as page, opened(browser, address) as other:
        go(page, f"view={view}&q=king", wait=ready)
        before = page.url
        act(page)
        page.mouse.move(2, 2)  # a row under the pointer is named on the map
        page.wait_for_function("before => location.href !== before", arg=before)
        page.wait_for_timeout(1500)
        other.goto(page.url)
        other.wait_for_selector(ready)
        other.wait_for_timeout(1500)
        assert other.inner_text("main") == page.inner_text("main")
