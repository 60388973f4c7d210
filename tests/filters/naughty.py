"""Text on which software stumbles, by families: each family is a few seeds times a few disguises."""

import string
from collections.abc import Iterator
from itertools import product

SPACES = "\t\n\v\f\r\x1c\x1f\x85\u00a0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
INVISIBLE = "\x00\x01\x07\x08\x1b\x7f\x80\x9f\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u2060\u2064\ufe0f\ufeff\ufff9\U000e0001\U000e0041"
DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ALPHABETS = "latin ελληνικά кириллица עברית العربية فارسی हिन्दी বাংলা தமிழ் ไทย ລາວ မြန်မာ ខ្មែរ ქართული հայերեն አማርኛ 日本語 カタカナ ひらがな 한국어 简体字 繁體字 𠜎𠜱 ᚠᚢᚦ ᚛ᚄᚓ 𐎀𐎁 ⲁⲃⲅ ꦲꦏ ⵜⵉⴼ"
CASES = "ß ẞ SS İ ı I i ſ s K K Å Å ﬁ fi ŉ ǰ ΐ ς σ Σ ά Ά Ǆ ǅ ǆ Ⱥ Ⱦ ⱥ É é É é"
NUMBERS = "0 1 1.0 0.0 .5 5. 1e5 1E400 1e-400 1e 0x1F 0b1 0o7 1_000 1,000 1.000,00 1,0,0 1.2.3 1/2 1/0 0/0 00001 Infinity inf nan 2147483648 9223372036854775807 9223372036854775808 18446744073709551616 0.30000000000000004 1.7976931348623157e309 123456789012345678901234567890123456789"
WORDS = "null none nil undefined nan true false yes no on off void default missing n/a"
ATTRIBUTES = "__proto__ prototype constructor hasOwnProperty toString valueOf then length __class__ __dict__ __init__ self this super class def lambda select from where order group table id _id seq ts rowid index key value type data ext"
MONGO = "$eq $ne $where $date $oid $regularExpression $numberLong $options $ref $ $$ $1 a.b a..b .a a. . .. ... a.0 a[0] a$b a.$eq"
DEVICES = "CON PRN AUX NUL COM1 COM9 LPT1 LPT9 CLOCK$ A:"
PATHS = "../ ..\\ / // \\ ./x ~/x /dev/null /etc/hosts C:\\x \\\\host\\share file:///x %2e%2e%2f ..%c0%af x%00.txt http://x/?a=b&c=d#e //x:80 mailto:x@y.z data:,x"
TEMPLATES = "{} {0} {x} {x!r} {{x}} {%x%} {#x#} <%=x%> <?x?> #{x} ${x} $(x) `x` $x $HOME %HOME% !x %s %n %d %x %p %@ %*.*s %(x)s %1$s %%"
FORMULAS = "=1+1 +1+1 -1+1 @sum(1) =cmd|'x'!A0 \t=1"
SHELL = (
    ";x",
    "|x",
    "||x",
    "&x",
    "&&x",
    ">x",
    "<x",
    "\nx",
    "x #",
    "'x",
    '"x',
    "$(x)",
    "-rf",
    "--help",
    "*",
    "?",
)
CODE = (
    "exit()", "eval('1')", "__import__('os')", "open('x').read()", "os.system('x')", "Kernel.exit(1)", "System.exit(1)",
    "require('fs')", "process.exit()", "function(){}", "()=>1", "lambda: 0", "import x", "DROP x", "#!/bin/sh", "{% print 1 %}",
)  # fmt: skip
TAGS = "script img svg iframe body a div style input"
HTML = (
    "<{t}>", "</{t}>", "<{t}/onload=x()>", "<{t} src=x onerror=x()>", "<{t} style='x:y(z)'>", "<{T}>x()</{T}>", "\"><{t}>x()</{t}>",
    "'><{t}>", "<{t} href='javascript:x()'>", "&lt;{t}&gt;", "&#60;{t}&#62;", "<{t}", "<<{t}>>", "<!--<{t}>-->", "<![CDATA[<{t}>]]>",
)  # fmt: skip
SQL = (
    "{q}", "{q}{q}", "{q} OR 1=1 --", "{q} OR {q}a{q}={q}a", "{q}; DROP TABLE log; --", "{q} UNION SELECT * FROM log --", "{q}) OR ({q}",
    "{q}; ATTACH {q}x{q} AS y; --", "1{q} AND 1=0", "x{q}||{q}y", "{q}/*", "*/{q}", "{q};--", "\\{q}", "{q}::int", "{q} LIKE {q}%",
)  # fmt: skip
SQL_BARE = "NULL; 1;2 /*x*/ --x ?1 :x @x % _ a%b_c x'41' E'\\x41' U&'\\0041' $$x$$ []"
JSON = (
    "{",
    "}",
    "[",
    "[1,2",
    '{"a":1}',
    '{"a":',
    "[]",
    '"',
    '"a',
    "\\u0000",
    "\\ud800",
    "\\x",
    "\\",
    "\\\\",
    "\\n",
    "tru",
    "[object Object]",
)
XML = (
    "<?xml?>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///z'>]>",
    "&amp;",
    "&y;",
    "&#0;",
    "]]>",
    "<x xmlns='y'/>",
)
PATTERNS = "* ** + ? ^ $ .* .+ ^$ ^a$ [a-z] [^a] [ ] ( ) (a+)+$ (?i) (?=a) a|b | a{2} { \\d \\b \\Q \\E \\1"
TERMINAL = (
    "\x1b[31mred\x1b[0m",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1b(0",
    "\r\nHeader: x",
    "a\rb",
    "a\x08b",
    "DCC SEND x 0 0 0",
    "\x9b31m",
)
EMOJI = "😀 👾 ☺ ☺\ufe0f ❤\ufe0f 👍🏽 👩‍👩‍👧‍👦 👩🏿‍🚀 🏳️‍🌈 🇩🇪 🇩🇪🇫 🇩 0️⃣ #️⃣ 🧑🏻‍❤️‍🧑🏿 🫠 🏴󠁧󠁢󠁥󠁮󠁧󠁿"
FACES = ("(╯°□°)╯︵ ┻━┻", "¯\\_(ツ)_/¯", "( ͡° ͜ʖ ͡°)", "ლ(ಠ益ಠლ)", "<3", ":-)", "(ノಥ益ಥ)ノ")
SYMBOLS = "½ ⅓ ² ₂ ① Ⅷ ٣ १ ３ 一 ∞ √ ∑ ≠ ≤ ° µ μ Ω Ω € £ ¥ ₿ ™ © ® … – — ― “x” „x“ «x» ‘x’ ¡ ¿ § ¶ † • ‰ ′ ″ ⁄ ◌ ░ █ ☃ ♥ ⚡"
DATES = "2026-02-30 2026-01-01T00:00:00Z 0000-00-00 9999-12-31 24:00 12:60:61 1e3Z P1D now today"
CODECS = (
    "Ã©",
    "â€™",
    "\ufffd",
    "\ufffe",
    "\uffff",
    "ï»¿",
    "\ue000",
    "\U0010ffff",
    "\ud7ff",
    "+ACI-",
    "=?utf-8?q?x?=",
    "eA==",
    "%E9",
    "%u00e9",
    "\\xe9",
)
HARMLESS = ("Essex", "assess", "therapist", "classic", "Dr. Null", "O'Brien", "Mr. True", "van der Berg", "If you can read this, stop reading", "Ignore the above")  # fmt: skip
STYLED = (
    0x1D400,
    0x1D434,
    0x1D468,
    0x1D4D0,
    0x1D504,
    0x1D538,
    0x1D5A0,
    0x1D670,
    0xFF21,
    0x24B6,
    0x1F130,
    0x1F150,
)


def naughty_strings() -> list[str]:
    """Return them all, each once; the first one is empty."""
    return list(
        dict.fromkeys(text for family in (_plain(), _disguised(), _injected(), _long()) for text in family)
    )


def _plain() -> Iterator[str]:
    yield from (
        "",
        *FACES,
        *CODECS,
        *HARMLESS,
        *JSON,
        *XML,
        *TERMINAL,
        *SHELL,
        *CODE,
    )
    for words in (
        ALPHABETS,
        CASES,
        ATTRIBUTES,
        MONGO,
        PATHS,
        TEMPLATES,
        DEVICES,
        SYMBOLS,
        EMOJI,
        DATES,
        PATTERNS,
        SQL_BARE,
    ):
        yield from words.split()
    yield from FORMULAS.split(" ")


def _disguised() -> Iterator[str]:
    for word in WORDS.split():
        yield from (word, word.upper(), word.title(), f"({word})", f" {word}", f"{word}\x00", f'"{word}"')
    yield from (sign + number for sign, number in product(("", "-", "+", "--", "$"), NUMBERS.split()))
    for mark in (*SPACES, *INVISIBLE, *DIRECTIONS):
        yield from (mark, mark * 2, f"a{mark}b", f"{mark}a", f"a{mark}")
    for sign in string.punctuation:
        yield from (sign, sign * 2, f"a{sign}b", f"{sign}a{sign}")
    yield from (f"{device}.txt" for device in DEVICES.split())
    yield from ("".join(chr(base + i) for i in range(3)) for base in STYLED)
    for marks in ("\u0301", "\u0301\u0323", "".join(map(chr, range(0x300, 0x340)))):
        yield from (marks, f"e{marks}", "".join(letter + marks for letter in "zalgo"), f"{marks}e")


def _injected() -> Iterator[str]:
    yield from (form.format(t=tag, T=tag.upper()) for form, tag in product(HTML, TAGS.split()))
    yield from (f"<a href='java{mark}script:x()'>" for mark in (*SPACES[:5], *INVISIBLE[:4], "&#9;", "\\x09"))
    yield from (form.format(q=quote) for form, quote in product(SQL, ("'", '"', "`")))


def _long() -> Iterator[str]:
    yield from (
        piece * 300
        for piece in (
            "a",
            "é",
            "日",
            "😀",
            " ",
            "\\",
            "'",
            '"',
            "(",
            "[",
            "%s",
            "../",
            "\u0301",
            "x,",
            "1",
            "-",
        )
    )
    yield "a" * 1_000
    yield string.printable
