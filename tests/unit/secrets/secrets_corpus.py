"""Made-up secrets and their lookalikes, put together here so that no scanner takes them for real."""

from __future__ import annotations

import base64
import hashlib
import json


def _made(seed: str, length: int) -> str:
    """Return letters and digits that look random."""
    found = ""
    while len(found) < length:
        found += base64.b64encode(hashlib.sha256((seed + found).encode()).digest()).decode()
        found = "".join(c for c in found if c.isalnum())
    return found[:length]


def _hex(seed: str, length: int) -> str:
    return hashlib.sha512(seed.encode()).hexdigest()[:length]


def _jwt() -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890", "name": "A Tester"}]
    coded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    ]
    return ".".join([*coded, _made("jwt", 43)])


def secrets(kind: str) -> list[str]:
    return [f"{_made(kind, 14)}7x9", f"{_made(kind + '2', 14)}8y6"]


_PASSWORD = "hunter2" * 2
_KEY_LINES = [_made(f"pem{i}", 64) for i in range(6)] + [_made("pem-last", 22) + "=="]
_PEM = "\n".join(
    [f"-----BEGIN RSA {'PRIVATE'} KEY-----", *_KEY_LINES, f"-----END RSA {'PRIVATE'} KEY-----"]
)

#: By a name for the test: the source of a cell (or a line of text) and what must not be left of it.
SECRETS: dict[str, tuple[str, list[str]]] = {
    "a password": (f'password = "{_PASSWORD}"', [_PASSWORD]),
    "single quotes": (f"db_password = '{_PASSWORD}1'", [_PASSWORD]),
    "a word as password": ('password = "correcthorsebattery"', ["correcthorse"]),
    "an annotated one": (f'api_key: str = "{_made("a", 20)}"', [_made("a", 20)]),
    "in camel case": (f'clientSecret = "{_made("b", 24)}"', [_made("b", 24)]),
    "over two lines": (f'password = (\n    "{_PASSWORD}2"\n)', [_PASSWORD]),
    "in triple quotes": (f'auth_token = """{_made("c", 30)}"""', [_made("c", 30)]),
    "a keyword argument": (f'connect = dict(user="me", password="{_PASSWORD}3")', [_PASSWORD]),
    "a dict": (f'config = {{"token": "{_made("d", 24)}", "n": 1}}', [_made("d", 24)]),
    "a dict's item": (f'config = {{}}\nconfig["api-key"] = "{_made("e", 24)}"', [_made("e", 24)]),
    "an attribute": (f'class C: pass\nC.secret_key = "{_made("f", 24)}"', [_made("f", 24)]),
    "a comparison": (f'ok = "x"\npassword_ok = ok == "x"\npassword = ok\nmatch = password == "{_PASSWORD}4"', [_PASSWORD]),
    "the environment": (f'import os\nos.environ["X_TOKEN"] = "{_made("g", 24)}"', [_made("g", 24)]),
    "its default": (f'import os\nvalue = os.environ.get("SERVICE_API_KEY", "{_made("h", 24)}")', [_made("h", 24)]),
    "getenv": (f'import os\nvalue = os.getenv("SERVICE_API_KEY", "{_made("h2", 24)}")', [_made("h2", 24)]),
    "a default of a function": (f'def connect(host, token="{_made("i", 24)}"): pass', [_made("i", 24)]),
    "%env": (f"%env HUB_TOKEN={_made('j', 24)}", [_made("j", 24)]),
    "%env with words": ("%env HUB_PASSWORD=correcthorse", ["correcthorse"]),
    "export": (f"cmd = '''\nexport HUB_TOKEN={_made('k', 24)}\n'''", [_made("k", 24)]),
    "an option": (f"cmd = 'login --user me --password {_PASSWORD}5'", [_PASSWORD]),
    "an option with =": (f"cmd = 'login --api-key={_made('l', 24)} --verbose'", [_made("l", 24)]),
    "curl": (f"cmd = 'curl -u me:{_PASSWORD}6 https://example.org'", [_PASSWORD]),
    "a URL": (f'url = "postgresql://me:{_PASSWORD}7@db.example.org:5432/x"', [_PASSWORD]),
    "a URL without user": (f'url = "redis://:{_PASSWORD}8@db.example.org/0"', [_PASSWORD]),
    "a signed URL": (f'url = "https://b.s3.amazonaws.com/f?X-Amz-Expires=60&X-Amz-Signature={_hex("m", 64)}"', [_hex("m", 64)]),
    "a key in a URL": (f'url = "https://api.example.org/v1?units=metric&api_key={_made("n", 32)}"', [_made("n", 32)]),
    "a header": (f'headers = {{"Authorization": "Bearer {_made("o", 40)}"}}', [_made("o", 40)]),
    "a basic header": (f'headers = {{"Authorization": "Basic {_made("p", 24)}=="}}', [_made("p", 24)]),
    "a header of its own": (f'headers = {{"X-Api-Key": "{_made("q", 24)}"}}', [_made("q", 24)]),
    "YAML": (f"text = '''\nhost: db\npassword: {_made('r', 20)}\n'''", [_made("r", 20)]),
    "JSON in a string": (f"text = '{{\"client_secret\": \"{_made('s', 24)}\"}}'", [_made("s", 24)]),
    "AWS key": (f'key_of_mine = "AK{"IA"}{_made("t", 40).upper()[:16]}"', [_made("t", 40).upper()[:16]]),
    "AWS secret": (f'aws_secret_access_key = "{_made("u", 40)}"', [_made("u", 40)]),
    "GitHub": (f'x = "gh{"p_"}{_made("v", 36)}"', [_made("v", 36)]),
    "GitHub, fine-grained": (f'x = "github{"_pat_"}{_made("w", 22)}_{_made("w2", 59)}"', [_made("w", 22), _made("w2", 59)]),
    "GitLab": (f'x = "gl{"pat-"}{_made("x", 20)}"', [_made("x", 20)]),
    "Slack": (f'x = "xo{"xb-"}123456789012-123456789012-{_made("y", 24).lower()}"', [_made("y", 24).lower()]),
    "a Slack hook": (f'x = "https://hooks.sl{"ack.com"}/services/T{_made("z", 8)}/B{_made("z2", 8)}/{_made("z3", 24)}"', [_made("z3", 24)]),
    "Stripe": (f'x = "sk{"_live_"}{_made("aa", 99)}"', [_made("aa", 99)[24:], _made("aa", 99)[:24]]),
    "OpenAI": (f'x = "sk{"-proj-"}{_made("bb", 74)}"', [_made("bb", 74)]),
    "Anthropic": (f'x = "sk{"-ant-"}api03-{_made("cc", 93)}"', [_made("cc", 93)]),
    "Hugging Face": (f'x = "h{"f_"}{_made("dd", 34)}"', [_made("dd", 34)]),
    "Google": (f'x = "AI{"za"}{_made("ee", 35)}"', [_made("ee", 35)]),
    "Azure storage": (f'x = "AccountName=a;Account{"Key="}{_made("ff", 86)}=="', [_made("ff", 86)]),
    "SendGrid": (f'x = "SG{"."}{_made("gg", 22)}.{_made("gg2", 43)}"', [_made("gg2", 43)]),
    "PyPI": (f'x = "pypi{"-AgEIcHlwaS5vcmc"}{_made("hh", 90)}"', [_made("hh", 90)]),
    "npm": (f'x = "np{"m_"}{_made("ii", 36)}"', [_made("ii", 36)]),
    "Databricks": (f'x = "da{"pi"}{_hex("jj", 32)}"', [_hex("jj", 32)]),
    "Telegram": (f'x = "123456789:A{"A"}{_made("kk", 33)}"', [_made("kk", 33)]),
    "Weights & Biases": (f'login = print\nlogin("")\nimport types\nwandb = types.SimpleNamespace(login=lambda key: None)\nwandb.login(key="{_hex("ll", 40)}")', [_hex("ll", 40)]),
    "a web token": (f'x = "{_jwt()}"', [_made("jwt", 43), _jwt().split(".")[1]]),
    "a private key": (f'x = """{_PEM}"""', _KEY_LINES),
    "a private key in one line": (f"x = {_PEM!r}", _KEY_LINES),
    "a column of a frame": (f'frame = dict({{"user": ["ann"], "password": ["{_PASSWORD}9"]}})', [_PASSWORD]),
    "a column of two": (f'frame = {{"password": ["{_made("nn", 16)}", "{_made("oo", 16)}"]}}', [_made("nn", 16), _made("oo", 16)]),
    "a column over lines": (f'frame = {{\n    "password": [\n        "{_made("nn", 16)}",  # Ann\'s\n        "{_made("oo", 16)}",\n    ],\n}}', [_made("nn", 16), _made("oo", 16)]),
    "a tuple": (f'password = ("{_made("pp", 16)}", "{_made("qq", 16)}")', [_made("pp", 16), _made("qq", 16)]),
    "a set": (f'api_keys = {{"{_made("pp", 20)}", "{_made("qq", 20)}"}}', [_made("pp", 20), _made("qq", 20)]),
    "a list under a plural": (f'passwords = ["{_PASSWORD}a", "{_PASSWORD}b"]', [_PASSWORD]),
    "a list as keyword": (f'frame = dict(password=["{_PASSWORD}c"], user=["ann"])', [_PASSWORD]),
    "a list as item": (f'frame = {{}}\nframe["db_password"] = ["{_PASSWORD}d"]', [_PASSWORD]),
    "an array as item": (f'frame, array = {{}}, list\nframe["db_password"] = array(["{_PASSWORD}e"])', [_PASSWORD]),
    "a nested dict": (f'keys = {{"api_key": {{"prod": "{_made("rr", 20)}", "host": "db.example.org"}}}}', [_made("rr", 20)]),
    "an annotated list": (f'password: list[str] = ["{_PASSWORD}f"]', [_PASSWORD]),
    "a list in YAML": (f"text = '''\npassword:\n  - {_made('ss', 16)}\n  - {_made('tt', 16)}\n'''", [_made("ss", 16), _made("tt", 16)]),
    "a list in TOML": (f"text = '''\npassword = ['{_made('ss', 16)}']\n'''", [_made("ss", 16)]),
    "an ODBC string": (f'x = "DRIVER=x;SERVER=db;UID=me;PWD={_made("mm", 16)}"', [_made("mm", 16)]),
}  # fmt: skip

#: The same, where name and value stand apart, so that only code as code shows them.
APART: dict[str, tuple[str, list[str]]] = {
    kind: (code.replace("@", secrets(kind)[0]).replace("#", secrets(kind)[1]), secrets(kind))
    for kind, code in {
        "a Series": 's = pd.Series(["@", "#"], name="password")',
        "a Series, name first": 's = pd.Series(name="password", data=["@", "#"])',
        "rows and columns": 'd = pd.DataFrame([["ann", "@"], ["bob", "#"]], columns=["user", "password"])',
        "loc": 'df.loc[:, "password"] = ["@", "#"]',
        "iloc": 'df["password"].iloc[0] = "@"\ndf["password"].iloc[1] = "#"',
        "insert": 'df.insert(1, "password", ["@", "#"])',
        "append": 'passwords.append("@")\npasswords.extend(["#"])',
        "setattr": 'setattr(x, "password", "@")\nmonkeypatch.setenv("DB_PASSWORD", "#")',
        "unpacking": 'user, password, api_key = "ann", "@", "#"',
        "a default": 'password = given or "@"\ntoken_secret = "#" if prod else None',
        "a sum": 'password = "@" + "#"',
        "parts": 'password = "@" "#"',
        "a lambda": 'connect = lambda user, password="@", *, api_key="#": None',
        "a comparison": 'ok = password in ("@", "#")',
        "pairs": 'd = dict([("password", "@"), ("api_key", "#")])',
        "a call": 'login(check_password("@"), SecretStr("#"))',
        "a table as text": 'df = read("user,password\\nann,@\\nbob,#\\n")',
        "a table over lines": 'df = read("""user;password\nann;@\nbob;#\n""")',
        "after a magic": '%load_ext x\n!ls\ns = pd.Series(["@", "#"], name="password")',
        "after other letters": 'ä = "ö€😀"; s = pd.Series(["ü", "@", "#"], name="password")',
    }.items()
}

_MD5 = _hex("md5", 32)
_IMAGE = base64.b64encode(hashlib.sha512(b"image").digest() * 40).decode()
#: What looks like a secret, by name or by form, and is none.
LOOKALIKES: list[str] = [
    'tokenizer = "bert-base-uncased"',
    "max_tokens = 100",
    "token_count = 7",
    "n_token = 7",
    'secretary = "Miss Moneypenny"',
    'token = "<TOKEN>"',
    'pad_token = "[PAD]"',
    'eos_token = "<|endoftext|>"',
    'unk_token = "unknownword"',
    'token = "learning"',
    'next_token = "wonderful"',
    "password = getpass()",
    'password = getpass("Your password: ")',
    'frame = {"token": ["the", "don\'t", "U.S.", "##ing", "[CLS]"], "token_count": ["7", "12345678"]}',
    'tokens = ["learning", "to", "token-ize", "e.g."]',
    'frame = {"n_tokens": ["one1", "two2"], "key": ["a1b2c3d4e5f6", "b2c3d4"], "passenger": ["Ann-Lee7"]}',
    'frame["passenger"] = ["Allen, Miss. Elisabeth Walton", "Abc123-def456"]',
    'frame = {"primary_key": ["a1b2c3d4e5f6a7b8", "b1c2d3e4f5a6b7c8"], "compass": ["north1234567890"]}',
    'api_keys = ["API_KEY", "OTHER_API_KEY"]',
    'password = ["password", "db_password"]',
    'credentials = {"user": "ann-elisabeth", "host": "db-17.example.org", "port": "5432"}',
    'password_policy = {"min": ["length-12345", "digits-12345"]}',
    's = pd.Series(["abcd1234efgh5678"], name="passenger")',
    'df = pd.DataFrame([["ann", "abcd1234efgh5678"]], columns=["user", "primary_key"])',
    'text = """user,passenger\nann,abcd1234efgh5678\n"""',
    'text = """token,label\nlearning,abcd1234efgh5678\n"""',
    "tokens:\n  - learning\n  - to\n  - abcdefgh",
    'password = getpass(["Your password: "][0])',
    'pair = (input("password: "), input("name: "))',
    'secret_key = os.environ["SECRET_KEY"]',
    'api_key = os.getenv("API_KEY")',
    "token = None",
    'token = ""',
    "password: str | None = None",
    "connect(password=password, token=token)",
    "client = Client(api_key=settings.api_key)",
    'password = f"{prefix}{suffix}"',
    'url = f"postgresql://{user}:{password}@{host}/x"',
    'url = "postgresql://user:${PASSWORD}@host/x"',
    'url = "postgresql://user:<password>@host/x"',
    'url = "http://localhost:8888/lab?email=me@example.org"',
    'url = "https://example.org/a@b"',
    'headers = {"Authorization": f"Bearer {token}"}',
    'credentials = "credentials.json"',
    'credentials_path = "/home/me/key.json"',
    'password_file = "run/secrets/db"',
    'columns = ["token", "password", "label"]',
    'frame[["token", "prediction12345"]]',
    'fields = {"password": "user_password", "token": "access_token"}',
    'secret_name = "db-credentials-2026"',
    'token_type = "bearer12345678"',
    'sort(key=lambda row: row["key"])',
    'foreign_key = "user_0123456789abcdef"',
    'primary_key = "a1b2c3d4e5f6a7b8"',
    "keyboard = 'qwerty1234567890'",
    'monkey = "chimp1234567890"',
    'compass = "north1234567890"',
    "by_pass = 0.25",
    f'md5 = "{_MD5}"',
    f"train.csv@{_MD5}",
    f"outs:\n- md5: {_MD5}\n  size: 1234\n  hash: md5\n  path: train.csv",
    f'commit = "{_hex("commit", 40)}"',
    f"index {_hex('one', 7)}..{_hex('two', 7)} 100644",
    f'digest = "sha256:{_hex("sha", 64)}"',
    f'run_id = "{_hex("run", 32)}"',
    'uuid = "6f1c2a34-9d0e-4b7a-8c55-0e9f1a2b3c4d"',
    f'image = "data:image/png;base64,{_IMAGE}"',
    f"numpy==2.4.6 --hash=sha256:{_hex('pip', 64)}",
    f'"integrity": "sha512-{_IMAGE[:86]}=="',
    f'weights = "{_IMAGE[:200]}"',
    'model = "sk-learn-random-forest-with-a-very-long-name"',
    "from sklearn.ensemble import HistGradientBoostingClassifier",
    "mlflow.set_tag('stage', 'production-2026-11-21')",
    "key = 'AKIA'",
    "text = 'the password is needed, please enter your token'",
    "bearer authentication is required",
    "-----BEGIN CERTIFICATE-----\n" + _IMAGE[:64] + "\n-----END CERTIFICATE-----",
]
