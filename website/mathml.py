"""LaTeX → MathML, which browsers show by themselves: no script, no font, and nothing from the network."""

import re
from html import unescape

from latex2mathml.converter import convert

_NAME = r"<mi>(?:sin|cos|tan|tanh|exp|ln|log)</mi>"
_BEFORE = re.compile(rf"(</m(?!o>)[a-z]+>)(?={_NAME})")
_AFTER = re.compile(rf"(?<!<msup>)(?<!<msub>)({_NAME})(?=<m(?!o))")
_SPACE = '<mspace width="0.167em"/>'
_BAR = '<mo stretchy="false">&#x0007C;</mo>'
_PRIMES = re.compile(r"<msup>(<mi>[^<]*</mi>)<mi>(&#x0203[2-7];|&#x02057;)</mi></msup>")
_SPAN = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)


def rendered(page: str) -> str:
    r"""A page's HTML with its formulas as MathML.

    The Markdown extension `pymdownx.arithmatex` (generic) leaves `\(…\)` in a span and `\[…\]` in a div.

    >>> rendered('<span class="arithmatex">\\(x^2\\)</span>')[:40]
    '<math xmlns="http://www.w3.org/1998/Math'
    """
    return _SPAN.sub(lambda found: _formula(found[2], block=found[1] == "div"), page)


def _formula(text: str, block: bool) -> str:
    latex = unescape(text.strip())[2:-2]
    formula = convert(latex, display="block" if block else "inline")
    formula = _AFTER.sub(rf"\1{_SPACE}", _BEFORE.sub(rf"\1{_SPACE}", formula))
    formula = formula.replace(_BAR, _BAR.replace("<mo", '<mo lspace="0" rspace="0"'))
    formula = _PRIMES.sub(
        r'\1<mo lspace="0" rspace="0">\2</mo>', formula
    )  # raised already in fonts without small ones
    return f'<div class="formula">{formula}</div>' if block else formula
