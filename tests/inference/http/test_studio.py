"""The studio page: whole in the package, nothing from elsewhere, and once through a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.support.http_server import RunningServer, running_server
from tests.support.sounds import recording
from tests.support.waiting import wait_until

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


@pytest.mark.parametrize("path", ["/", "/studio.css", "/studio.js"])
def test_the_page_may_load_nothing_from_anywhere_else(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"https?://(?!localhost)\w", answer.text)
    assert http.head(path).status_code == 200


def test_the_page_has_no_inline_code_that_its_policy_would_refuse() -> None:
    page = resources.files("timbre_inference").joinpath("studio", "index.html").read_text()
    assert not re.search(r"<script(?! src)|<style|\son\w+=|\sstyle=", page)


def test_every_control_has_a_name_for_those_who_cannot_see_it() -> None:
    page = resources.files("timbre_inference").joinpath("studio", "index.html").read_text()
    labels = set(re.findall(r'for="([\w-]+)"', page))
    for tag, attributes in re.findall(r"<(input|select|textarea|audio|meter|progress)\b([^>]*)>", page):
        identity = re.search(r'id="([\w-]+)"', attributes)
        wrapped = 'type="radio"' in attributes or 'type="checkbox"' in attributes
        assert wrapped or "aria-label" in attributes or (identity and identity[1] in labels), (tag, attributes)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=30_000)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    microphone = tmp_path_factory.mktemp("microphone") / "voice.wav"
    microphone.write_bytes(recording(10.0))
    arguments = [*QUIET, f"--use-file-for-fake-audio-capture={microphone}"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=arguments)
    yield browser
    browser.close()


@pytest.fixture
def studio(browser: Browser, server: RunningServer) -> Iterator[Page]:
    context = browser.new_context(permissions=["microphone"])
    context.set_default_timeout(30_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(server.url)
    yield page
    context.close()
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def plays(page: Page, selector: str) -> None:
    # Not wait_for_function: it polls by eval, which the page's policy rightly refuses.
    wait_until(lambda: page.evaluate("s => document.querySelector(s).duration > 0.3", selector) is True)


@pytest.mark.browser
def test_a_voice_is_recorded_heard_kept_and_deleted(studio: Page, tmp_path: Path) -> None:
    studio.get_by_role("button", name="Record").click()
    expect(studio.locator("#clock")).to_have_text(re.compile(r"^([3-9]|\d\d)\.\d s$"))
    studio.get_by_role("button", name="Stop recording").click()
    expect(studio.locator("#status")).to_have_text("The recording is ready.")

    studio.get_by_label("Text to speak").fill("The birch canoe slid. It was a fine day.")
    studio.get_by_role("button", name="Speak").click()
    expect(studio.locator("#status")).to_contain_text("Done in")
    plays(studio, "#result-audio")

    studio.get_by_label("Name").fill("Ada")
    studio.get_by_role("checkbox").check()
    studio.get_by_role("button", name="Keep the voice").click()
    expect(studio.locator("#status")).to_contain_text("is kept as voice_")
    studio.screenshot(path=tmp_path / "studio.png", full_page=True)
    studio.get_by_role("button", name="Speak").click()
    expect(studio.locator("#status")).to_contain_text("Done in")

    studio.on("dialog", lambda dialog: dialog.accept())
    studio.get_by_role("button", name="Delete voice").click()
    expect(studio.locator("#status")).to_have_text("The voice is deleted.")


@pytest.mark.browser
def test_a_file_is_chosen_and_the_keyboard_is_enough(studio: Page, tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(recording(3.0))
    studio.set_input_files("#file", clip)
    expect(studio.locator("#reference-name")).to_have_text("clip.wav")
    studio.get_by_label("Text to speak").focus()
    studio.keyboard.press("Control+Enter")
    expect(studio.locator("#status")).to_contain_text("Done in")
    plays(studio, "#result-audio")


@pytest.mark.browser
def test_what_goes_wrong_is_said(studio: Page, tmp_path: Path) -> None:
    studio.get_by_role("button", name="Speak").click()
    expect(studio.get_by_role("alert")).to_contain_text("There is no voice yet")
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"not audio at all" * 100)
    studio.set_input_files("#file", noise)
    studio.get_by_role("button", name="Speak").click()
    expect(studio.get_by_role("alert")).to_contain_text("not audio that can be read")


@pytest.mark.browser
def test_a_key_is_asked_for_where_one_is_needed(browser: Browser, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("open-sesame\n")
    with running_server(tmp_path, api_keys_file=str(keys)) as server:
        page = browser.new_page()
        page.goto(server.url)
        expect(page.get_by_role("alert")).to_contain_text("API key")
        page.get_by_label("API key").fill("open-sesame")
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_have_text("The key works.")
        page.get_by_label("A voice of this server").check()
        page.get_by_role("button", name="Speak").click()
        expect(page.locator("#status")).to_contain_text("Done in")
        page.close()
