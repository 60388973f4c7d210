"""Everything on a page that can be used, used once, as an impatient visitor would; and what is wrong then."""

from __future__ import annotations

from typing import Any

from tests.browser.visit import Visit

KEYS = {"slider": "ArrowRight", "combobox": "ArrowDown", "checkbox": "Space"}
"""What moves a control one step, by its role."""

_WIDGETS = ".ev-app"
_CONTROLS = """{ slider: '[role=slider], input[type=range]', combobox: 'select', checkbox: 'input[type=checkbox]', button: 'button, [role=tab]' }"""
_OF_ROLE = f"""role => [...document.querySelectorAll('{_WIDGETS}')]
  .flatMap(app => [...app.querySelectorAll(({_CONTROLS})[role])])"""
_EMPTY = """() => [...document.querySelectorAll('.js-plotly-plot')]
  .filter(figure => figure.offsetWidth > 0)
  .filter(figure => !figure.querySelector('.main-svg .trace, .main-svg .hm, .main-svg .points path')
    && ![...figure.querySelectorAll('.annotation-text')].some(text => text.textContent.length > 10))
  .map(figure => figure.innerText.slice(0, 200))"""
_CUT_OFF = f"""() => [...document.querySelectorAll('{_WIDGETS} label, {_WIDGETS} button, {_WIDGETS} .ev-status')]
  .filter(one => one.offsetWidth > 0 && one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).overflowX !== 'visible' && !one.title)
  .map(one => one.innerText.slice(0, 200))"""


def use_everything(visit: Visit) -> list[str]:
    """Move each slider, choice and checkbox, and press each button; return what was used, by its role.

    After each step it is waited until the kernel has nothing to do any more and no work is under way.
    """
    used = []
    for role in (*KEYS, "button"):
        for control in visit.page.evaluate_handle(_OF_ROLE, role).get_properties().values():
            if _use(control.as_element(), role, visit.page):
                used.append(role)
                visit.wait_until_quiet()
    return used


def what_is_wrong(page: Any) -> list[str]:
    """Return buttons that would upload, notices, errors, figures that are empty without saying why, and texts that are cut off."""
    notices = page.locator(".ev-notice").all_inner_texts()
    errors = page.locator("[data-mime-type*='error'], [data-mime-type*='stderr']").all_inner_texts()
    uploads = page.locator("[data-title*='hare']").count()
    return [
        *(["a button that shares a figure"] if uploads else []),
        *(f"notice: {text}" for text in notices),
        *(f"error: {text[:500]}" for text in errors),
        *(f"empty figure: {text}" for text in page.evaluate(_EMPTY)),
        *(f"cut off: {text}" for text in page.evaluate(_CUT_OFF)),
    ]


def _use(control: Any, role: str, page: Any) -> bool:
    """Use a control; return False if it cannot be used now."""
    if control is None or not control.evaluate("one => one.isConnected") or not control.is_visible():
        return False
    if not control.is_enabled():
        return False
    if role == "button":
        control.click()
    else:
        control.focus()
        page.keyboard.press(KEYS[role])
    return True
