"""Hostile strings, made by putting every vector into every wrapping; and a surface with one in each text field."""

import json

VECTORS = [
    "<script>window.__pwned=1</script>",
    "<img src=x onerror=window.__pwned=1>",
    "<svg onload=window.__pwned=1>",
    "<svg><script href=https://evil.example/x.js></script></svg>",
    "<iframe src=javascript:window.__pwned=1></iframe>",
    "<a href=javascript:window.__pwned=1>x</a>",
    "<img src=https://evil.example/p.png>",
    "<link rel=stylesheet href=https://evil.example/s.css>",
    "<style>*{background:url(https://evil.example/c.png)}</style>",
    "<div style=background:url(https://evil.example/d.png)>",
    "<body onload=window.__pwned=1>",
    "<details open ontoggle=window.__pwned=1>",
    "<input autofocus onfocus=window.__pwned=1>",
    "<object data=data:text/html,<script>window.__pwned=1</script>>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action=https://evil.example/><button>x",
    "<math><mtext><mglyph><style><img src=x onerror=window.__pwned=1>",
    "javascript:window.__pwned=1",
    "data:text/html,<script>window.__pwned=1</script>",
    "file:///etc/passwd",
    "![x](https://evil.example/m.png)",
    "[x](javascript:window.__pwned=1)",
    "url(https://evil.example/u.png)",
    "expression(window.__pwned=1)",
    "${window.__pwned=1}{{constructor.constructor('window.__pwned=1')()}}",
    "__proto__",
]
WRAPPINGS = [
    "{}",
    '"{}',
    "'>{}",
    "-->{}",
    "</title></style></textarea>{}",
    "`{}`",
    "**{}**",
    "\\u003c{}",
    "]]>{}",
    "\x00\u202e{}",
]
CORPUS = [wrapping.replace("{}", vector) for wrapping in WRAPPINGS for vector in VECTORS]


def hostile_lines(text: str) -> list[list]:
    """A surface that holds the string in every prop that takes text, and in ids, names and kinds that do not."""
    label, title = text[:80], text[:120]
    chart = {"x_label": label, "y_label": label, "title": title}
    return [
        ["root", "column", {}, "t m h c ta me tb ch bar im co s n o cb i b p k e a u v".split()],
        ["t", "text", {"text": text}],
        ["m", "text", {"text": f"- {text}\n1. {text}\n{text}", "markdown": True}],
        ["h", "heading", {"text": title}],
        ["c", "card", {"title": title}, ["x1"]],
        ["x1", "text", {"text": {"$": "bound"}, "markdown": True}],
        ["ta", "tabs", {"labels": [label]}, ["x2"]],
        ["x2", "divider"],
        ["me", "metric", {"label": label, "value": label, "unit": text[:20]}],
        ["tb", "table", {"columns": [label], "rows": [[text[:200]]], "title": title}],
        ["ch", "chart", {"mark": "line", "x": [label, label + "2"], "series": [{"name": label, "y": [1, 2]}], **chart}],
        ["bar", "chart", {"mark": "bar", "x": [label], "series": [{"name": label, "y": [1]}] * 2, **chart}],
        ["im", "image", {"ref": "none", "alt": title}],
        ["co", "code", {"text": text, "language": text[:20]}],
        ["s", "slider", {"label": label}],
        ["n", "number", {"label": label}],
        ["o", "choice", {"label": label, "options": [label]}],
        ["cb", "checkbox", {"label": label}],
        ["i", "input", {"label": label, "value": text, "placeholder": label}],
        ["b", "button", {"label": label}],
        ["p", "progress", {"label": label}],
        [text, "text", {"text": "id"}],
        ["k", text, {}],
        ["e", "text", {"text": "x", text: text}],
        ["a", "button", {"label": "x", "action": text}],
        ["u", "image", {"ref": text}],
        ["v", "text", {"text": {"$": text}}],
    ]  # fmt: skip


def hostile(text: str) -> str:
    """The lines of that surface, and a line that is no JSON at all."""
    data = ["$", {"bound": text}]
    return "\n".join([*(json.dumps(line) for line in [data, *hostile_lines(text)]), text])
