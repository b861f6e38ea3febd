"""A badge: how much of the matrix one provider passes, as a small SVG picture. Pure text."""

from __future__ import annotations

from collections import Counter
from xml.sax.saxutils import escape

from compat_pipeline.domain.matrix import CompatibilityMatrix

_GREEN, _RED, _GREY, _DARK = "#1a7f37", "#b42318", "#57606a", "#24292f"
"""Each has a contrast of at least 4.5 to 1 to white text (WCAG 2.2, 1.4.3)."""

_CHAR_PX, _PADDING_PX = 6.6, 10


def badge_svg(matrix: CompatibilityMatrix, provider: str, name: str) -> str:
    """`Claude Code on NAME | 5/6 pass`: of the features that apply to `provider` and were tested there.

    Green when all of them pass, red when one fails, grey when none was judged. The words say what the colour does.
    """
    counts = Counter(row.providers[provider].status for row in matrix.features)
    judged = counts["pass"] + counts["fail"]
    told = f"{counts['pass']}/{judged} pass" if judged else "not tested"
    colour = _RED if counts["fail"] else _GREEN if judged else _GREY
    label = f"Claude Code on {name}"
    left, right = _width_px(label), _width_px(told)
    return _SVG.format(
        title=escape(f"{label}, LiteLLM {matrix.litellm_version}: {told}", {'"': "&quot;"}),
        label=escape(label), told=escape(told), colour=colour, dark=_DARK,
        width=left + right, left=left, right=right, label_at=left / 2, told_at=left + right / 2,
    )  # fmt: skip


def _width_px(text: str) -> int:
    return round(len(text) * _CHAR_PX) + 2 * _PADDING_PX


_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">
  <title>{title}</title>
  <clipPath id="edge"><rect width="{width}" height="20" rx="3"/></clipPath>
  <g clip-path="url(#edge)">
    <rect width="{left}" height="20" fill="{dark}"/>
    <rect x="{left}" width="{right}" height="20" fill="{colour}"/>
  </g>
  <g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
    <text x="{label_at}" y="14">{label}</text>
    <text x="{told_at}" y="14">{told}</text>
  </g>
</svg>
"""
